/**
 * The runtimes besides the running one, as npm packages, each installed once into .runtimes: for `npm run test:runtimes` and
 * `npm run test:install`.
 */
import { chmodSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Stop, capture, root, timed } from './process.mjs'

const cache = join(root, '.runtimes')
const cpu = process.arch
const rustCpu = cpu === 'arm64' ? 'aarch64' : cpu

/** The running one needs no package. */
export const runtimes = [
  { name: runningLine(), kind: 'node' },
  ...['22', '24', '26'].map((line) => ({
    name: `node${line}`,
    kind: 'node',
    spec: `node-linux-${cpu}@${line}`,
    binary: `node-linux-${cpu}/bin/node`,
  })),
  { name: 'bun', kind: 'bun', spec: `@oven/bun-linux-${rustCpu}`, binary: `@oven/bun-linux-${rustCpu}/bin/bun` },
  { name: 'deno', kind: 'deno', spec: `@deno/linux-${cpu}-glibc`, binary: `@deno/linux-${cpu}-glibc/deno` },
].filter(({ name, spec }) => spec === undefined || name !== runningLine())

/** The runtime's program, if it is here already. */
export function presentRuntime(runtime) {
  if (runtime.spec === undefined) return process.execPath
  const path = pathOf(runtime)
  return existsSync(path) ? path : undefined
}

/** The runtime's program, installed where it is not here yet. */
export async function installRuntime(runtime) {
  const { name, spec } = runtime
  if (spec === undefined) return process.execPath
  const path = pathOf(runtime)
  await timed(name, () => {
    if (existsSync(path)) return 'up to date'
    const folder = join(cache, name)
    mkdirSync(folder, { recursive: true })
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error']
    const { ok, output } = capture('npm', ['install', '--prefix', folder, ...flags, spec])
    if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nInstalling ${spec} failed.`)
    if (!existsSync(path)) throw new Stop(`${spec} has no ${runtime.binary}.`)
    chmodSync(path, 0o755)
  })
  return path
}

/** Its version as it tells it, without its name. */
export function versionOf(path) {
  const [first] = capture(path, ['--version']).stdout.split('\n')
  return first.replace(/^deno | .*/g, '')
}

function pathOf({ name, binary }) {
  return join(cache, name, 'node_modules', binary)
}

function runningLine() {
  return `node${process.versions.node.split('.')[0]}`
}
