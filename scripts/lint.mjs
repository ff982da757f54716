/**
 * `npm run lint`: format, clippy, types and oxlint. Runs all of them, shows what the failing ones say, and names them
 * in one last line. `npm run lint -- clippy` runs only those named.
 */
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { Stop, capture, main, root, timed } from './process.mjs'

const bin = (name) => join(root, 'node_modules/.bin', name)
const lints = [
  { name: 'rustfmt', command: ['cargo', 'fmt', '--all', '--check'] },
  { name: 'clippy', command: ['cargo', 'clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings'] },
  // The build that kill tests use has code of its own.
  { name: 'clippy-kill', command: ['cargo', 'clippy', '-p', 'shmem-core', '--bins', '--features', 'fail-points', '--quiet', '--', '-D', 'warnings'] },
  { name: 'rustdoc', command: ['cargo', 'rustdoc', '-p', 'shmem-core', '--lib', '--quiet', '--', '-D', 'warnings'] },
  { name: 'tsc', command: [bin('tsc'), '--noEmit'] },
  { name: 'oxlint', command: [bin('oxlint'), '--deny-warnings'] },
]

await main(async (names) => {
  const unknown = names.find((name) => !lints.some((lint) => lint.name === name))
  if (unknown !== undefined) throw new Stop(`There is no lint ${unknown}; there are: ${lints.map(({ name }) => name).join(', ')}.`)
  // The types of the native image are generated with it.
  await bootstrap()
  const failed = []
  for (const { name, command: [program, ...args] } of lints) {
    if (names.length > 0 && !names.includes(name)) continue
    await timed(name, () => {
      const { missing, ok, output } = capture(program, args)
      if (ok) return undefined
      failed.push(name)
      return missing ? `failed: ${program} is not on PATH` : `failed\n${output.trimEnd()}`
    })
  }
  if (failed.length > 0) throw new Stop(`Lint failed: ${failed.join(', ')}.`)
})
