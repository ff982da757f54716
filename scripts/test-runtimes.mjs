/**
 * `npm run test:runtimes`: the whole suite on each Node.js line that we support, and on Bun and Deno, where ava does
 * not run, the program __test__/children/segments. The runtimes are npm packages, installed once into
 * .runtimes. `-- --only node22,bun` runs only those.
 */
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { testPackage } from './ava.mjs'
import { bootstrap } from './bootstrap.mjs'
import { Stop, capture, main, root, stream, timed } from './process.mjs'
import { LineTally, sum } from './tally.mjs'

const cache = join(root, '.runtimes')
const cpu = process.arch
const program = join(root, 'dist/__test__/children/segments.js')

const runtimes = [
  ...['22', '24', '26'].map((line) => ({
    name: `node${line}`,
    spec: `node-linux-${cpu}@${line}`,
    binary: `node-linux-${cpu}/bin/node`,
    test: (node) => testPackage(node),
  })),
  {
    name: 'bun',
    spec: `@oven/bun-linux-${cpu === 'arm64' ? 'aarch64' : cpu}`,
    binary: `@oven/bun-linux-${cpu === 'arm64' ? 'aarch64' : cpu}/bin/bun`,
    test: (bun) => testProgram(bun, ['run', program]),
  },
  {
    name: 'deno',
    spec: `@deno/linux-${cpu}-glibc`,
    binary: `@deno/linux-${cpu}-glibc/deno`,
    test: (deno) => testProgram(deno, ['run', '--allow-all', '--no-prompt', program]),
  },
]
const running = `node${process.versions.node.split('.')[0]}`
if (!runtimes.some(({ name }) => name === running)) {
  runtimes.unshift({ name: running, test: () => testPackage(process.execPath) })
}

await main(async (args) => {
  const chosen = choose(args)
  await bootstrap()
  const rows = []
  for (const runtime of chosen) {
    const path = runtime.spec === undefined ? process.execPath : await install(runtime)
    const version = capture(path, ['--version']).stdout.split('\n')[0]
    console.log(`\n${runtime.name} ${version}`)
    rows.push({ runtime: runtime.name, version, count: await runtime.test(path) })
  }
  console.log()
  printTable(rows)
  const total = sum(rows.map(({ count }) => count))
  return total.failed > 0 || total.passed === 0 ? 1 : 0
})

function choose(args) {
  if (args.length === 0) return runtimes
  const known = runtimes.map(({ name }) => name)
  const names = args[0] === '--only' && args.length === 2 ? args[1].split(',') : []
  if (names.length === 0 || names.some((name) => !known.includes(name))) {
    throw new Stop(`Usage: npm run test:runtimes -- --only ${known.join(',')}`)
  }
  return runtimes.filter(({ name }) => names.includes(name))
}

async function install({ name, spec, binary }) {
  const folder = join(cache, name)
  const path = join(folder, 'node_modules', binary)
  await timed(name, () => {
    if (existsSync(path)) return 'up to date'
    mkdirSync(folder, { recursive: true })
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error']
    const { ok, output } = capture('npm', ['install', '--prefix', folder, ...flags, spec])
    if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nInstalling ${spec} failed.`)
    if (!existsSync(path)) throw new Stop(`${spec} has no ${binary}.`)
    chmodSync(path, 0o755)
  })
  return path
}

async function testProgram(runtime, args) {
  const tally = new LineTally()
  return tally.close(await stream(runtime, args, { onLine: (line) => tally.line(line) }))
}

function printTable(rows) {
  printRow('runtime', 'version', 'passed', 'failed', 'skipped')
  for (const { runtime, version, count } of rows) {
    printRow(runtime, version.replace(/^deno | .*/g, ''), count.passed, count.failed, count.skipped.length)
    for (const reason of count.doubts) console.log(`          ${reason}`)
  }
}

function printRow(...cells) {
  console.log(cells.map((cell, i) => String(cell).padEnd([9, 14, 7, 7, 7][i])).join(' ').trimEnd())
}
