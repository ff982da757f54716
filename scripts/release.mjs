/**
 * `npm run release -- minor`: the next version, everywhere where it is written: package.json, the lock files, Cargo.toml, lib/version.ts,
 * include/shmem.h, and CHANGELOG.md, whose unreleased part gets it as its heading. `major`, `minor`, `patch`, or a version such as 1.0.0-rc.1.
 * It only says what it would write, unless `--write` is there too; it commits and publishes nothing. A package.json without `repository` is refused: npm
 * takes no provenance from it. docs/releasing.md has the rest.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop, main, root } from './process.mjs'

const usage = 'Usage: npm run release -- major|minor|patch|<version> [--write]'
/** As semver.org has it, without build metadata. */
const semantic = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-(?:0|[1-9]\d*|\d*[a-z-][\da-z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-z-][\da-z-]*))*)?$/i
const changes = /## \[Unreleased\]\n([\s\S]*?)(?=\n## \[|$)/

await main((args) => {
  const [step, ...more] = args.filter((arg) => arg !== '--write')
  if (step === undefined || more.length > 0 || step.startsWith('-')) throw new Stop(usage)
  const { version: current, repository } = JSON.parse(read('package.json'))
  const address = typeof repository === 'string' ? repository : repository?.url
  if (!address) throw new Stop('package.json names no repository, and npm takes no provenance from a package that does not: docs/releasing.md, "Before the first one".')
  const next = successor(current, step)
  const edits = places(current, next).map(([file, pattern, replacement, count]) => edit(file, pattern, replacement, count))
  edits.push(changelog(next))

  console.log(`${current} → ${next}`)
  for (const { file, lines } of edits) console.log(`${file}: ${lines} ${lines === 1 ? 'place' : 'places'}`)
  if (!args.includes('--write')) return console.log('Nothing was written: add --write.')
  for (const { file, text } of edits) writeFileSync(join(root, file), text)
  console.log(`Written. Then: npm test; git commit -am 'release: ${next}'; git tag v${next}`)
})

/** The version after `current`. What comes after a pre-release of x.y.z is x.y.z. */
function successor(current, step) {
  const [core, isPreRelease] = [current.split('-')[0].split('.').map(Number), current.includes('-')]
  const [major, minor, patch] = core
  const steps = {
    major: isPreRelease && minor === 0 && patch === 0 ? core : [major + 1, 0, 0],
    minor: isPreRelease && patch === 0 ? core : [major, minor + 1, 0],
    patch: isPreRelease ? core : [major, minor, patch + 1],
  }
  if (Object.hasOwn(steps, step)) return steps[step].join('.')
  if (!semantic.test(step)) throw new Stop(`${step} is no semantic version. ${usage}`)
  if (compare(step, current) <= 0) throw new Stop(`${step} does not come after ${current}.`)
  return step
}

/** Where the version stands: a file, the text around it, and how often it must be found. */
function places(current, next) {
  const old = current.replaceAll('.', '\\.')
  const here = (before, after) => new RegExp(`(${before})${old}(${after})`, 'g')
  const members = [.../members = \[(.*)\]/.exec(read('Cargo.toml'))[1].matchAll(/"crate\/([^"]+)"/g)].map(([, name]) => `shmem-${name}`)
  return [
    ['package.json', here('\\n {2}"version": "', '"'), next, 1],
    // Once for the file, once for the root package.
    ['package-lock.json', here('"name": "shmem",\\n\\s+"version": "', '"'), next, 2],
    ['Cargo.toml', here('\\[workspace\\.package\\]\\nversion = "', '"'), next, 1],
    ['Cargo.lock', here(`name = "(?:${members.join('|')})"\\nversion = "`, '"'), next, members.length],
    ['lib/version.ts', here('version = \'', '\''), next, 1],
    ['include/shmem.h', here('(?:SHMEM_VERSION "| \\* Version )', '(?:"|,)'), next, 2],
  ]
}

function edit(file, pattern, next, count) {
  const text = read(file)
  const lines = [...text.matchAll(pattern)].length
  if (lines !== count) throw new Stop(`${file} has the version ${lines} times, and should have it ${count} times: make them agree first.`)
  return { file, lines, text: text.replace(pattern, `$1${next}$2`) }
}

/** What is unreleased gets a version and today's date, and a new empty part stands above it. */
function changelog(next) {
  const file = 'CHANGELOG.md'
  const text = read(file)
  const unreleased = changes.exec(text)?.[1]
  if (unreleased === undefined) throw new Stop(`${file} has no part [Unreleased].`)
  if (unreleased.trim() === '') throw new Stop(`${file} says nothing of what is unreleased: there is nothing to release.`)
  if (text.includes(`## [${next}]`)) throw new Stop(`${file} has a part [${next}] already.`)
  const today = new Date().toISOString().slice(0, 10)
  return { file, lines: 1, text: text.replace('## [Unreleased]\n', `## [Unreleased]\n\n## [${next}] - ${today}\n`) }
}

/** Less than, equal to or more than 0, by semver's order. */
function compare(a, b) {
  const [[coreA, preA], [coreB, preB]] = [a, b].map((version) => [version.split('-')[0], version.split('-').slice(1).join('-')])
  const byCore = coreA.localeCompare(coreB, 'en', { numeric: true })
  if (byCore !== 0 || preA === preB) return byCore
  // A release comes after its pre-releases.
  if (preA === '' || preB === '') return preA === '' ? 1 : -1
  return preA.localeCompare(preB, 'en', { numeric: true })
}

function read(file) {
  return readFileSync(join(root, file), 'utf8')
}
