/**
 * C programs as the other side of a test: compiled by the test itself from `__test__/children/<name>.c`, once for all tests of a file,
 * into a folder that goes with their process. Without a compiler the test steps aside: `const program = compileC(t, 'peer'); if (!program) return`.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { hasCompiler, programFolder } from './c-peer.js'
import { skip } from './skip.js'

/** The repository; compiled files lie in `dist/__test__/support`. */
const root = fileURLToPath(new URL('../../../', import.meta.url))

/** The programs of this process, by what they were made of, and the folder above theirs. */
const programs = new Map<string, string>()
let home: string | undefined

/** Compiles `__test__/children/<name>.c`; answers the program's path, or nothing where `cc` is missing: then `t` is skipped. */
export function compileC(t: ExecutionContext<unknown>, name: string, flags: string[] = []): string | undefined {
  return compiled(t, name, join(root, '__test__/children', `${name}.c`), flags)
}

/** As {@link compileC}, for a program that the test writes itself. */
export function compileText(t: ExecutionContext<unknown>, text: string, flags: string[] = []): string | undefined {
  return compiled(t, 'program', { text }, flags)
}

function compiled(t: ExecutionContext<unknown>, name: string, from: string | { text: string }, flags: string[]): string | undefined {
  const key = JSON.stringify([from, flags])
  const made = programs.get(key)
  if (made !== undefined) return made
  if (!hasCompiler('cc')) {
    skip(t, 'there is no C compiler (cc)')
    return undefined
  }
  const folder = freshFolder()
  const program = join(folder, name)
  const source = typeof from === 'string' ? from : join(folder, 'program.c')
  if (typeof from !== 'string') writeFileSync(source, from.text)
  const done = spawnSync('cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source, '-pthread', ...flags], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`cc ${source}: ${done.stderr}`)
  programs.set(key, program)
  return program
}

function freshFolder(): string {
  home ??= programFolder()
  const folder = mkdtempSync(join(home, 'program-'))
  // Other users run what is in it.
  for (const each of [home, folder]) chmodSync(each, 0o755)
  return folder
}

/** Runs a program to its end, 30 seconds at most. Throws unless it ends with 0; answers its standard output. */
export function runC(program: string, args: (string | number)[] = [], input?: string | Uint8Array): Buffer {
  const words = args.map(String)
  const done: SpawnSyncReturns<Buffer> = spawnSync(program, words, { input, timeout: 30_000, killSignal: 'SIGKILL', maxBuffer: 2 ** 28 })
  if (done.error !== undefined) throw done.error
  if (done.status !== 0) {
    throw new Error(`${program} ${words.join(' ')} ended with ${done.status ?? done.signal}: ${done.stderr.toString()}`)
  }
  return done.stdout
}
