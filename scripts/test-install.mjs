/**
 * `npm run test:install`: what is published, from a registry of its own, installed into an empty folder with no compiler and no
 * install scripts, and used there as the README says, from outside: in each runtime that is here already (`-- --all-runtimes`
 * installs the others), by `import` and by `require`; its types with three versions of TypeScript; its manifest by publint and
 * arethetypeswrong; its size and its list of files. The last line is that of `npm test`.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tools, withRoom } from './install-room.mjs'
import { compilers, consumerFiles } from './install-types.mjs'
import { Stop, capture, main, root, timed } from './process.mjs'
import { installRuntime, presentRuntime, runtimes, versionOf } from './runtimes.mjs'
import { conclude } from './tally.mjs'

const platform = `linux-${process.arch}-gnu`

/**
 * Bytes as they are sent, and as they lie on the disk. About 1.7 times what they have: an image with its debug information has ten
 * times as many, one that was not optimised five times, source maps or the tests would double the other package.
 */
const bounds = { main: { packed: 512 * 1024, unpacked: 2 * 1024 * 1024 }, image: { packed: 1.5 * 1024 * 1024, unpacked: 3.5 * 1024 * 1024 } }
/** What npm always takes. */
const always = ['package.json', 'README.md', 'LICENSE']
const compilersOfC = ['cargo', 'rustc', 'cc', 'gcc', 'clang', 'make', 'python3']

const count = { passed: 0, failed: 0, skipped: [], doubts: [] }

await main(async (args) => {
  if (args.some((arg) => arg !== '--all-runtimes')) throw new Stop('Usage: npm run test:install -- [--all-runtimes]')
  const start = performance.now()
  await timed('tools', installTools)
  const chosen = []
  for (const runtime of runtimes) {
    const path = args.length > 0 ? await installRuntime(runtime) : presentRuntime(runtime)
    if (path === undefined) count.skipped.push(`${runtime.name} is not here: -- --all-runtimes installs it`)
    else chosen.push({ ...runtime, path })
  }
  await withRoom(async (room) => {
    // Of its own, so that two runs do not take each other's.
    const packages = room.folder('packages')
    await timed('stage', () => stage(packages))
    await examine(room, packages, chosen)
  })
  process.stderr.write(`in all     ${((performance.now() - start) / 1000).toFixed(1)} s\n`)
  return conclude(count)
})

function stage(packages) {
  const { ok, output } = capture(process.execPath, [join(root, 'scripts/stage.mjs'), '--to', packages])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nNothing could be laid out to be published.`)
}

/** `npm ci`, unless they are as new as their lock file. */
function installTools() {
  const installed = join(tools, 'node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(tools, 'package-lock.json')).mtimeMs) return 'up to date'
  const { ok, output } = capture('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: tools })
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nInstalling what this test needs failed.`)
}

async function examine(room, packages, chosen) {
  for (const name of foldersIn(packages)) await claim(`${name} holds what users need and nothing else, and is small`, () => isLean(packages, name))
  await claim('publint finds nothing', () => room.run(root, [process.execPath, tool('publint/src/cli.js'), join(packages, 'shmem'), '--strict', '--pack=npm']))

  await claim('all that was built is published, and what is out is passed over', async () => {
    // What was not built is not there, as for a user whose mirror lacks it.
    const publish = ['node', join(root, 'scripts/publish.mjs'), '--from', packages]
    const told = foldersIn(packages).length
    for (const [flags, ending] of [[['--dry-run'], /: not sent$/u], [[], /, tag \w+$/u], [[], / is out already$/u]]) {
      const { stdout } = await room.run(root, [...publish, ...flags])
      const lines = stdout.trimEnd().split('\n')
      if (lines.length !== told || !lines.every((line) => ending.test(line)) || !lines.at(-1).startsWith('shmem ')) throw new Error(`${flags.join(' ')}\n${stdout}`)
    }
  })
  const user = room.folder('user')
  await claim('npm installs it without a compiler and without scripts', async () => {
    for (const program of compilersOfC) if (!(await room.lacks(program))) throw new Error(`there is ${program} on PATH`)
    await room.run(user, ['npm', 'install', 'shmem', '--ignore-scripts'])
    same(foldersIn(join(user, 'node_modules')), ['shmem', `shmem-${platform}`])
  })
  for (const { name, kind, path } of chosen) {
    for (const how of ['import', 'require']) {
      await claim(`the README's two processes meet on ${name} (${versionOf(path)}), by ${how}`, () => meet(room, user, { name, kind, path }, how))
    }
  }
  await claim('the command tells its version, and lists as JSON', () => commandWorks(room, user))
  await claim('without the image for this machine there is one error, which names it', () => missesImage(room))
  await claim('pnpm installs it, too', () => pnpmWorks(room))
  await claim('arethetypeswrong finds nothing', () => typesAreRight(room, packages))
  for (const [version, path, settings] of compilers) {
    for (const options of settings) {
      await claim(`TypeScript ${version} reads its types, moduleResolution ${options.moduleResolution}`, () => typeChecks(room, user, path, options))
    }
  }
}

async function claim(title, prove) {
  const start = performance.now()
  try {
    await prove()
    count.passed += 1
    console.log(`ok ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
  } catch (error) {
    count.failed += 1
    console.log(`not ok ${title}\n${error instanceof Error ? error.message : error}`)
  }
}

/** Prints the size, too. */
function isLean(packages, name) {
  const kind = name === 'shmem' ? 'main' : 'image'
  const { stdout } = capture('npm', ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'], { cwd: join(packages, name) })
  const [{ files, size, unpackedSize }] = JSON.parse(stdout)
  console.log(`   ${name}: ${kib(size)} packed, ${kib(unpackedSize)} unpacked, ${files.length} files`)
  const found = files.map(({ path }) => path)
  const wanted = kind === 'main' ? filesOfMain() : [...always, `${name.replace('shmem-', 'shmem.')}.node`]
  same({ missing: without(wanted, found), surplus: without(found, wanted) }, { missing: [], surplus: [] })
  const { packed, unpacked } = bounds[kind]
  if (size > packed || unpackedSize > unpacked) throw new Error(`more than ${kib(packed)} packed or ${kib(unpacked)} unpacked`)
}

/** What users need: code and types of every source, the command with its schema, the header for C. */
function filesOfMain() {
  const sources = ['index.ts', ...readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts')).map((path) => `lib/${path}`)]
  const compiled = sources.flatMap((path) => ['.js', '.d.ts'].map((ending) => `dist/${path.replace(/\.ts$/u, ending)}`))
  return [...always, 'CHANGELOG.md', 'bin/shmem.js', 'docs/cli.schema.json', 'include/shmem.h', 'native/binding.d.ts', ...compiled]
}

/** The blocks of the README as they stand, but for the names of the objects, which another run may use at the same time. */
async function meet(room, user, { name, kind, path }, how) {
  const programs = Object.entries(examples()).map(([file, code]) => {
    const unique = code.replaceAll('/greeting', `/greeting-${process.pid}-${name}-${how}`)
    const required = unique.replace(/^import (\{[^}]+\}) from '(\w+)'$/gmu, "const $1 = require('$2')")
    if (how === 'require' && required === unique) throw new Error(`${file} has no import that could be a require`)
    const ours = how === 'import' ? file : file.replace('.mjs', '.cjs')
    writeFileSync(join(user, ours), how === 'import' ? unique : required)
    return ours
  })
  const [writer, reader] = await Promise.all(programs.map((file) => room.run(user, [...commandOf(kind, path), file])))
  same([writer.stdout, reader.stdout, writer.stderr, reader.stderr], ['', 'hello, neighbour\n', '', ''])
}

function examples() {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const section = /^## Two processes\n(.*?)^## /msu.exec(readme)?.[1] ?? ''
  const blocks = [...section.matchAll(/^```js (\w+\.mjs)\n(.*?)^```$/gmsu)].map(([, file, code]) => [file, code])
  same(blocks.map(([file]) => file), ['writer.mjs', 'reader.mjs'])
  return Object.fromEntries(blocks)
}

function commandOf(kind, path) {
  if (kind === 'bun') return [path, 'run']
  return kind === 'deno' ? [path, 'run', '--allow-all', '--no-prompt'] : [path]
}

async function commandWorks(room, user) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const told = await room.run(user, ['npx', '--no-install', 'shmem', '--version'])
  same(told.stdout, `${version}\n`)
  const listed = JSON.parse((await room.run(user, ['npx', '--no-install', 'shmem', 'ls', '--json'])).stdout)
  if (!Array.isArray(listed.objects)) throw new Error(`no list of objects: ${JSON.stringify(listed).slice(0, 200)}`)
}

async function missesImage(room) {
  const folder = room.folder('without')
  await room.run(folder, ['npm', 'install', 'shmem', '--ignore-scripts', '--omit=optional'])
  same(foldersIn(join(folder, 'node_modules')), ['shmem'])
  const tell = "import('shmem').then(() => console.log('loaded'), ({ code, message }) => console.log(code, message))"
  const { stdout } = await room.run(folder, ['node', '--input-type=module', '--eval', tell])
  if (!stdout.startsWith('ERR_SHM_NO_NATIVE_IMAGE ') || !stdout.includes(`shmem-${platform}`)) throw new Error(stdout)
}

/** Its node_modules has links to a store, and a package sees only what it names. */
async function pnpmWorks(room) {
  const folder = room.folder('pnpm')
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  await room.run(folder, ['node', tool('pnpm/bin/pnpm.cjs'), 'add', 'shmem', '--ignore-scripts', `--store-dir=${room.folder('store')}`])
  const { stdout } = await room.run(folder, ['node', '--input-type=module', '--eval', "import { pageSizeBytes } from 'shmem'; console.log(pageSizeBytes)"])
  if (!(Number(stdout) >= 4096)) throw new Error(stdout)
}

async function typesAreRight(room, packages) {
  const folder = room.folder('packed')
  const { stdout } = await room.run(join(packages, 'shmem'), ['npm', 'pack', '--ignore-scripts', '--json', `--pack-destination=${folder}`])
  const packed = join(folder, JSON.parse(stdout)[0].filename)
  const judged = await room.run(root, [process.execPath, tool('@arethetypeswrong/cli/dist/index.js'), packed, '--format', 'json'], { code: 'any' })
  const { problems } = JSON.parse(judged.stdout).analysis
  same(problems.filter((problem) => !isMeant(problem)), [])
}

/** CommonJS gets an ES module, by require(esm), and the resolution of Node.js 10, which knows no `exports`, gets nothing. */
function isMeant({ kind, resolutionKind, resolutionOption }) {
  return kind === 'CJSResolvesToESM' || (resolutionKind ?? resolutionOption) === 'node10'
}

/** Inside the folder where it was installed, which is where it is found from. */
async function typeChecks(room, user, compiler, options) {
  const folder = join(user, options.moduleResolution)
  mkdirSync(folder, { recursive: true })
  for (const [file, code] of Object.entries(consumerFiles(options))) writeFileSync(join(folder, file), code)
  await room.run(folder, [process.execPath, compiler, '--project', folder, '--pretty', 'false'])
}

function tool(path) {
  return join(tools, 'node_modules', path)
}

function foldersIn(path) {
  return readdirSync(path).filter((name) => !name.startsWith('.')).toSorted()
}

function same(found, expected) {
  const [left, right] = [found, expected].map((value) => JSON.stringify(value, undefined, 1))
  if (left !== right) throw new Error(`found ${left}\nexpected ${right}`)
}

function without(these, those) {
  return these.filter((each) => !those.includes(each))
}

function kib(bytes) {
  return `${(bytes / 1024).toFixed(0)} KiB`
}
