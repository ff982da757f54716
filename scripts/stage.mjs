/**
 * `npm run stage`: lays out in target/packages the folders that are published: `shmem`, and a package for each image that
 * lies in native/, as `npm run build:targets` leaves them. `-- --require-all` fails unless all four are there and new; `--to <folder>` takes an
 * empty folder instead. Nothing outside of the folder changes.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { bootstrap, newestSourceMs } from './bootstrap.mjs'
import { inspect } from './check-images.mjs'
import { Stop, capture, main, root, timed } from './process.mjs'
import { targets } from './targets.mjs'

const ours = join(root, 'target/packages')
const usage = 'Usage: npm run stage -- [--require-all] [--to <folder>]'
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

await main(async (args) => {
  const packages = chooseFolder(args)
  if (args.some((arg) => arg !== '--require-all')) throw new Stop(usage)
  await bootstrap()
  const found = targets.filter(({ image }) => existsSync(image))
  if (args.includes('--require-all')) requireAll(found)
  await timed('stage', () => {
    if (packages === ours) rmSync(packages, { recursive: true, force: true })
    stagePlatforms(packages, found)
    stageMain(packages)
  })
  for (const name of ['shmem', ...found.map(packageOf)]) console.log(describe(packages, name))
  const missing = targets.filter((target) => !found.includes(target))
  if (missing.length > 0) console.log(`no image of ${missing.map(({ name }) => name).join(', ')}: npm run build:targets`)
})

/** Takes `--to` and what follows out of the arguments. */
function chooseFolder(args) {
  const at = args.indexOf('--to')
  if (at === -1) return ours
  const [, folder] = args.splice(at, 2)
  if (!folder || folder.startsWith('-')) throw new Stop(usage)
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new Stop(`${folder} is not empty.`)
  return resolve(folder)
}

function requireAll(found) {
  const old = newestSourceMs()
  for (const target of targets) {
    if (!found.includes(target)) throw new Stop(`native/ has no image for ${target.name}: npm run build:targets -- --only ${target.name}`)
    if (statSync(target.image).mtimeMs < old) {
      throw new Stop(`The image for ${target.name} is older than the Rust sources: npm run build:targets -- --only ${target.name}`)
    }
    const [problem] = inspect(target)
    if (problem !== undefined) throw new Stop(problem)
  }
}

/**
 * `napi artifacts` fails where an image is missing and leaves a copy beside the manifest, so both commands are given a manifest of
 * their own that lists only the images that are there, and which they take for the project. Their folders have no prefix; they move up.
 */
function stagePlatforms(packages, found) {
  if (found.length === 0) return
  const nursery = join(packages, 'npm')
  const images = join(nursery, 'images')
  mkdirSync(images, { recursive: true })
  for (const { image, file } of found) copyFileSync(image, join(images, file))
  writeFileSync(join(nursery, 'package.json'), JSON.stringify({ ...manifest, napi: { ...manifest.napi, targets: found.map(({ triple }) => triple) } }))
  napi(nursery, 'create-npm-dirs', '--npm-dir', '.')
  napi(nursery, 'artifacts', '--npm-dir', '.', '--output-dir', 'images')

  for (const target of found) {
    const folder = join(packages, packageOf(target))
    renameSync(join(nursery, target.name), folder)
    copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
    writeFileSync(join(folder, 'README.md'), readmeOf(target))
  }
  rmSync(nursery, { recursive: true })
}

/** What `npm pack` would take of our folder, with a manifest for users. */
function stageMain(packages) {
  const { ok, stdout, output } = capture('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nnpm pack failed.`)
  const folder = join(packages, 'shmem')
  for (const { path } of JSON.parse(stdout)[0].files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    copyFileSync(join(root, path), join(folder, path))
  }
  const { devDependencies: _, scripts: __, overrides: ___, ava: ____, napi: _____, ...rest } = manifest
  // Of all four, also where an image was not built here: npm passes over those that are for other machines.
  const optionalDependencies = Object.fromEntries(targets.map((target) => [packageOf(target), manifest.version]))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ ...rest, optionalDependencies }, null, 2)}\n`)
}

function napi(folder, ...args) {
  const { ok, output } = capture(join(root, 'node_modules/.bin/napi'), args, { cwd: folder })
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nnapi ${args.join(' ')} failed.`)
}

function packageOf({ name }) {
  return `${manifest.napi.packageName}-${name}`
}

function readmeOf({ name, libc, cpu }) {
  return [
    `# shmem-${name}`,
    `The native image of [shmem](https://www.npmjs.com/package/shmem) for Linux on ${cpu} with ${libc}. It is installed with \`shmem\`, ` +
      'where it fits the machine; on its own it is of no use.\n',
  ].join('\n\n')
}

/** One line: its name and its size as npm would send and unpack it. */
function describe(packages, name) {
  const { stdout } = capture('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'], { cwd: join(packages, name) })
  const [{ size, unpackedSize, entryCount }] = JSON.parse(stdout)
  return `${name.padEnd(24)} ${String(entryCount).padStart(3)} files  ${kib(size)} packed ${kib(unpackedSize)} unpacked`
}

function kib(bytes) {
  return `${(bytes / 1024).toFixed(0)} KiB`.padStart(9)
}
