/**
 * `npm run bench`: every program of benchmark/*.bench.ts, one after another, or only those named:
 * `npm run bench -- create-close`. Options (`--…`) go to each program.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { Stop, foreground, main, root } from './process.mjs'

const folder = join(root, 'dist/benchmark')
const ending = '.bench.js'

await main(async (args) => {
  await bootstrap()
  const options = args.filter((arg) => arg.startsWith('--'))
  const all = existsSync(folder)
    ? readdirSync(folder).filter((file) => file.endsWith(ending)).map((file) => file.slice(0, -ending.length)).toSorted()
    : []
  const named = args.filter((arg) => !options.includes(arg))
  const unknown = named.find((name) => !all.includes(name))
  if (unknown !== undefined) throw new Stop(`There is no benchmark ${unknown}; there are: ${all.join(', ')}.`)
  if (all.length === 0) throw new Stop('There are no benchmarks in dist/benchmark.')

  const failed = []
  for (const name of named.length > 0 ? named : all) {
    if ((await foreground(process.execPath, [join(folder, name + ending), ...options])) !== 0) failed.push(name)
  }
  if (failed.length > 0) throw new Stop(`Failed: ${failed.join(', ')}.`)
})
