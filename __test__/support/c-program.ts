/**
 * C programs as the other side of a test: compiled by the test itself from `__test__/children/<name>.c`, into a folder that goes
 * with the test. Without a compiler the test steps aside: `const program = compileC(t, 'peer'); if (!program) return`.
 */
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { skip } from './skip.js'

/** The repository; compiled files lie in `dist/__test__/support`. */
const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Compiles `__test__/children/<name>.c`; answers the program's path, or nothing where `cc` is missing: then `t` is skipped. */
export function compileC(t: ExecutionContext<unknown>, name: string, flags: string[] = []): string | undefined {
  return compile(t, name, () => join(root, '__test__/children', `${name}.c`), flags)
}

/** As {@link compileC}, for a program that the test writes itself. */
export function compileText(t: ExecutionContext<unknown>, text: string, flags: string[] = []): string | undefined {
  const source = (folder: string): string => {
    const path = join(folder, 'program.c')
    writeFileSync(path, text)
    return path
  }
  return compile(t, 'program', source, flags)
}

function compile(t: ExecutionContext<unknown>, name: string, sourceIn: (folder: string) => string, flags: string[]): string | undefined {
  if (spawnSync('cc', ['--version']).error !== undefined) {
    skip(t, 'there is no C compiler (cc)')
    return undefined
  }
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-c-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // Other users run it too.
  chmodSync(folder, 0o755)
  const program = join(folder, name)
  const source = sourceIn(folder)
  const compiled = spawnSync('cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source, '-pthread', ...flags], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`cc ${source}: ${compiled.stderr}`)
  return program
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
