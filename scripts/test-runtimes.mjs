/**
 * `npm run test:runtimes`: the whole suite on each Node.js line that we support, and on Bun and Deno, where ava does
 * not run, the programs below. `-- --only node22,bun` runs only those.
 */
import { join } from 'node:path'
import { testPackage } from './ava.mjs'
import { bootstrap } from './bootstrap.mjs'
import { Stop, main, root, stream } from './process.mjs'
import { installRuntime, runtimes, versionOf } from './runtimes.mjs'
import { LineTally, sum } from './tally.mjs'

/** Of __test__/children; each prints a line for each claim. */
const programs = ['segments', 'structures']

await main(async (args) => {
  const chosen = choose(args)
  await bootstrap()
  const rows = []
  for (const runtime of chosen) {
    const path = await installRuntime(runtime)
    const version = versionOf(path)
    console.log(`\n${runtime.name} ${version}`)
    rows.push({ runtime: runtime.name, version, count: await test(runtime, path) })
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

async function test({ kind }, path) {
  if (kind === 'node') return await testPackage(path)
  const words = kind === 'deno' ? ['run', '--allow-all', '--no-prompt'] : ['run']
  const counts = []
  for (const name of programs) {
    const tally = new LineTally(name)
    const end = await stream(path, [...words, join(root, `dist/__test__/children/${name}.js`)], { onLine: (line) => tally.line(line) })
    counts.push(tally.close(end))
  }
  return sum(counts)
}

function printTable(rows) {
  printRow('runtime', 'version', 'passed', 'failed', 'skipped')
  for (const { runtime, version, count } of rows) {
    printRow(runtime, version, count.passed, count.failed, count.skipped.length)
    for (const reason of count.doubts) console.log(`          ${reason}`)
  }
}

function printRow(...cells) {
  console.log(cells.map((cell, i) => String(cell).padEnd([9, 14, 7, 7, 7][i])).join(' ').trimEnd())
}
