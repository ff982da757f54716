/**
 * Makes a fresh clone ready: tools, packages, native image, facade, command. For `npm start`, `npm test` and every other
 * script, which all begin with `bootstrap()`, and for `node scripts/bootstrap.mjs` by hand.
 * Only what is missing or out of date is done; what cannot be done ends in one sentence.
 * Imports no package and depends on no install script. Progress goes to stderr, stdout belongs to the program.
 */
import { existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Stop, capture, main, root, timed } from './process.mjs'

const oldest = { node: '20.19', rust: '1.88' }

/** All five steps, in order; each prints one line. */
export async function bootstrap() {
  await timed('tools', checkTools)
  await timed('packages', installPackages)
  await timed('native', buildNative)
  await timed('facade', buildFacade)
  await timed('command', buildCommand)
}

/** Everything that we cannot install ourselves, all that is missing named in one sentence. */
function checkTools() {
  if (process.platform !== 'linux') throw new Stop(`shmem is built on Linux only; this is ${process.platform}.`)
  const missing = [
    olderThan(process.versions.node, oldest.node) && `Node.js ${oldest.node} (this is ${process.versions.node})`,
    complaint('cargo', oldest.rust),
    complaint('rustc', oldest.rust),
    complaint('cc', undefined),
  ].filter(Boolean)
  if (missing.length > 0) throw new Stop(`shmem needs, at least: ${missing.join(', ')}.`)
}

/** `npm ci`, unless node_modules is as new as the lock file. */
function installPackages() {
  const installed = modifiedMs(join(root, 'node_modules/.package-lock.json'))
  if (installed >= modifiedMs(join(root, 'package-lock.json'))) return 'up to date'
  quietly('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], 'Installing packages')
}

/** The native image, unless it is newer than every Rust source and manifest. */
function buildNative() {
  if (Math.max(...nativeImages().map(modifiedMs), 0) >= newestSourceMs()) return 'up to date'

  const started = new Date()
  quietly('npm', ['run', 'build:native', '--loglevel=error'], 'Building the native image')
  const images = nativeImages()
  if (images.length === 0) throw new Stop('Building the native image left no native/*.node behind.')
  // An image is as old as the sources it was built from: what was edited meanwhile is newer.
  const newest = images.reduce((a, b) => (modifiedMs(a) >= modifiedMs(b) ? a : b))
  utimesSync(newest, started, started)
}

/** tsc, unless no TypeScript file was added, removed or touched since it last succeeded. */
function buildFacade() {
  const stamp = join(root, 'dist/.sources')
  const sources = typeScriptSources()
  const state = sources.map((file) => `${relative(root, file)} ${modifiedMs(file)}\n`).join('')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === state) return 'up to date'

  rmSync(stamp, { force: true })
  quietly('npm', ['run', 'build:facade', '--loglevel=error'], 'Compiling TypeScript')
  removeOrphans()
  writeFileSync(stamp, state)
}

/** The command's bundle, unless it is newer than what it is made of. */
function buildCommand() {
  const sources = [
    ...filesUnder(join(root, 'command'), (name) => name.endsWith('.ts')),
    ...['scripts/bundle.mjs', 'package-lock.json'].map((name) => join(root, name)),
  ]
  if (modifiedMs(join(root, 'bin/shmem.js')) >= Math.max(...sources.map(modifiedMs))) return 'up to date'
  quietly('npm', ['run', 'build:command', '--loglevel=error'], 'Bundling the command')
}

/** When the last of the Rust sources and manifests changed: an image that is older is out of date. */
export function newestSourceMs() {
  const sources = [
    ...['Cargo.toml', 'Cargo.lock'].map((name) => join(root, name)),
    ...filesUnder(join(root, 'crate'), (name) => name.endsWith('.rs') || name === 'Cargo.toml'),
  ]
  return Math.max(...sources.map(modifiedMs))
}

function complaint(tool, atLeast) {
  const { missing, ok, stdout } = capture(tool, ['--version'])
  const wanted = atLeast === undefined ? tool : `${tool} ${atLeast}`
  if (missing) return `${wanted} (not on PATH)`
  if (!ok) return `${wanted} (\`${tool} --version\` fails)`
  if (atLeast === undefined) return undefined
  const found = /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? '0.0.0'
  return olderThan(found, atLeast) ? `${wanted} (this is ${found})` : undefined
}

function olderThan(found, wanted) {
  const [left, right] = [found, wanted].map((version) => version.split('.').map(Number))
  const index = left.findIndex((part, i) => part !== right[i])
  return index !== -1 && left[index] < right[index]
}

function quietly(program, args, what) {
  const { missing, ok, output } = capture(program, args)
  if (missing) throw new Stop(`${program} is not on PATH.`)
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\n${what} failed: ${[program, ...args].join(' ')}`)
}

/** Those that this machine can load: the images of others, which npm run build:targets makes, have an age of their own. */
function nativeImages() {
  const ours = `linux-${process.arch}-${process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'}.node`
  return filesUnder(join(root, 'native'), (name) => name.endsWith(ours))
}

function typeScriptSources() {
  const ours = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !['.git', 'crate', 'dist', 'node_modules', 'target'].includes(entry.name))
    .flatMap((entry) => filesUnder(join(root, entry.name), (name) => name.endsWith('.ts')))
  return [...ours, ...['index.ts', 'package.json', 'tsconfig.json'].map((name) => join(root, name))].toSorted()
}

/** ava runs what lies in dist: the output of a source that is gone must go too. */
function removeOrphans() {
  const dist = join(root, 'dist')
  for (const file of filesUnder(dist, (name) => /\.(js|d\.ts)$/.test(name))) {
    const source = join(root, relative(dist, file).replace(/\.(js|d\.ts)$/, '.ts'))
    if (!existsSync(source)) rmSync(file)
  }
}

function filesUnder(folder, wanted) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(path, wanted)
    return wanted(entry.name) ? [path] : []
  })
}

/** 0 for what does not exist. */
function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(bootstrap)
