/**
 * C programs over `include/shmem.h`: compiled once for a test file, by whichever compiler, and run for one verb of `children/c-peer.c` each.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Of the header itself: no warning at all. */
export const STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', `-I${join(root, 'include')}`, '-pthread']

/** Whether there is such a compiler. */
export function hasCompiler(compiler: string): boolean {
  return spawnSync(compiler, ['--version']).error === undefined
}

/** A folder for programs; removed with the process. */
export function programFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-c-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The path of `__test__/children/<name>.c`. */
export function sourceOf(name: string): string {
  return join(root, '__test__/children', `${name}.c`)
}

/** Compiles; throws with what the compiler said. */
export function compileWith(compiler: string, flags: readonly string[], source: string, program: string): string {
  const compiled = spawnSync(compiler, [...STRICT, ...flags, '-o', program, source], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`${compiler} ${flags.join(' ')}: ${compiled.stderr}`)
  return program
}

export interface CRun {
  status: number | null
  signal: NodeJS.Signals | null
  lines: string[]
  stderr: string
}

/** Runs one verb to its end, with an empty standard input. */
export function runPeer(program: string, words: readonly (string | number)[], env: Record<string, string> = {}, fd?: number): CRun {
  const stdio = fd === undefined ? (['ignore', 'pipe', 'pipe'] as const) : (['ignore', 'pipe', 'pipe', fd] as const)
  const done = spawnSync(program, words.map(String), { encoding: 'utf8', timeout: 30_000, killSignal: 'SIGKILL', stdio: [...stdio], env: { ...process.env, ...env } })
  return { status: done.status, signal: done.signal, lines: done.stdout.trimEnd().split('\n'), stderr: done.stderr }
}
