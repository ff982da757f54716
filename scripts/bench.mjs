/**
 * `npm run bench`: every program of benchmark/*.bench.ts, one after another, or only those named:
 * `npm run bench -- create-close`. At the end stands a report with pictures; benchmark/README.md tells where, and what
 * `--quick` and `--save` do.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openProgress } from './bench-progress.mjs'
import { bootstrap } from './bootstrap.mjs'
import { Stop, main, root, stream } from './process.mjs'

const folder = join(root, 'dist/benchmark')
const ending = '.bench.js'
const flags = ['--quick', '--save']
/** The first run compiles what it is compared with. */
const silenceMinutes = 20

await main(async (args) => {
  const options = args.filter((arg) => arg.startsWith('--'))
  const unknownOption = options.find((option) => !flags.includes(option))
  if (unknownOption !== undefined) throw new Stop(`There is no option ${unknownOption}; there are: ${flags.join(', ')}.`)
  const [quick, save] = flags.map((flag) => options.includes(flag))
  if (quick && save) throw new Stop('A quick run is not saved: its samples are too few and too short to quote.')

  await bootstrap()
  const all = existsSync(folder)
    ? readdirSync(folder).filter((file) => file.endsWith(ending)).map((file) => file.slice(0, -ending.length)).toSorted()
    : []
  const named = args.filter((arg) => !options.includes(arg))
  const unknown = named.find((name) => !all.includes(name))
  if (unknown !== undefined) throw new Stop(`There is no benchmark ${unknown}; there are: ${all.join(', ')}.`)
  if (all.length === 0) throw new Stop('There are no benchmarks in dist/benchmark.')

  const { Run, resultsOf, secondsBefore } = await import('../dist/benchmark/report/run.js')
  const names = named.length > 0 ? named : all
  const run = new Run(resultsOf({ save }))
  const progress = await openProgress(names, quick ? {} : secondsBefore())
  const failed = []
  for (const [index, name] of names.entries()) {
    progress.begin(index)
    await run.begin()
    const program = [join(folder, name + ending), '--out', run.outFolder, ...(quick ? ['--quick'] : [])]
    const { code } = await stream(process.execPath, program, { print: progress.print, silenceMinutes })
    if (code === 0) run.take(name)
    else failed.push(name)
    progress.end()
  }
  progress.close()
  process.stdout.write(await run.finish())
  if (save) {
    const { drawDocuments } = await import('../dist/benchmark/report/write.js')
    process.stdout.write(`Drawn: ${(await drawDocuments()).join(', ')}\n`)
  }
  if (failed.length > 0) throw new Stop(`Failed: ${failed.join(', ')}.`)
})
