/** Other runtimes that a child of a benchmark may run under, where they are installed. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { benchmarkFolder } from './paths.js'

/** The Bun that `npm run test:runtimes` installs, or the one on PATH. */
export function findBun(): string | undefined {
  const cpu = process.arch === 'arm64' ? 'aarch64' : process.arch
  const installed = `${benchmarkFolder}../.runtimes/bun/node_modules/@oven/bun-linux-${cpu}/bin/bun`
  if (existsSync(installed)) return installed
  return spawnSync('bun', ['--version']).status === 0 ? 'bun' : undefined
}
