/**
 * How our scripts start other programs and how they end, for every script in this folder.
 * Three ways to run a program: `capture` (quiet, whole output), `foreground` (it owns the terminal) and
 * `stream` (line by line, and killed with all its children when it falls silent).
 * Imports no package: it runs before `npm ci`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The package's folder, where every relative path of these scripts begins. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Ends a script with one sentence for the reader; anything else that is thrown is a bug and keeps its stack. */
export class Stop extends Error {}

/** Runs a script's main function; what it returns is the exit code. */
export async function main(run) {
  try {
    process.exitCode = (await run(process.argv.slice(2))) ?? 0
  } catch (error) {
    console.error(error instanceof Stop ? error.message : error)
    process.exitCode = 1
  }
}

/** Runs a program to its end without a word. `missing` says that there is no such program; how it was cut off stands behind what it said. */
export function capture(program, args, options = {}) {
  const result = spawnSync(program, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
    ...options,
  })
  const cutOff = result.error?.message ?? (result.signal && `${program} was ended by ${result.signal}`)
  return {
    missing: result.error?.code === 'ENOENT',
    ok: result.status === 0,
    output: [result.stdout, result.stderr, cutOff].filter(Boolean).join(''),
    stdout: result.stdout ?? '',
  }
}

/** Runs a program on our own terminal; resolves to its exit code, 128 + number after a signal, as a shell does. */
export function foreground(program, args) {
  const child = spawn(program, args, { stdio: 'inherit' })
  const forward = (signal) => {
    // Ctrl-C reaches the whole foreground group: the child has it already, we only wait for its end.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, forward)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      for (const name of signals) process.off(name, forward)
      resolve(exitCode(code, signal))
    })
  })
}

/**
 * Runs a program in a process group of its own and passes its output on, `onLine` reading stdout beside us.
 * Whatever is left of the group when the program ends is killed, so that no test outlives its run.
 * `print` takes the lines of stdout for the terminal.
 */
export function stream(program, args, { onLine = () => {}, print = console.log, env = process.env, silenceMinutes = 10 } = {}) {
  const child = spawn(program, args, { cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const killGroup = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // The group is empty: nothing was left behind.
    }
  }
  const interrupted = (signal) => {
    killGroup()
    process.exit(128 + constants.signals[signal])
  }
  let silent = false
  const watchdog = setTimeout(() => {
    silent = true
    killGroup()
  }, silenceMinutes * 60_000)
  const heard = () => watchdog.refresh()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, interrupted)

  child.stderr.on('data', heard).pipe(process.stderr, { end: false })
  const lines = createInterface({ input: child.stdout, crlfDelay: Infinity })
  lines.on('line', (line) => {
    heard()
    print(line)
    onLine(line)
  })
  return new Promise((resolve, reject) => {
    child.on('error', (error) => {
      clearTimeout(watchdog)
      reject(error.code === 'ENOENT' ? new Stop(`${program} is not on PATH.`) : error)
    })
    child.on('exit', (code, signal) => {
      killGroup()
      // A daemon that left the group may hold the pipes for ever: we do not wait for it.
      const patience = setTimeout(() => [child.stdout, child.stderr].forEach((pipe) => pipe.destroy()), 5_000)
      child.on('close', () => {
        clearTimeout(patience)
        clearTimeout(watchdog)
        for (const name of signals) process.off(name, interrupted)
        resolve({ code: exitCode(code, signal), silent })
      })
    })
  })
}

/** Runs `step` and tells on stderr, in one line, what it was and how many seconds it took. */
export async function timed(label, step) {
  process.stderr.write(`${label.padEnd(10)} `)
  const start = performance.now()
  try {
    const note = await step()
    process.stderr.write(`${note ?? `${((performance.now() - start) / 1000).toFixed(1)} s`}\n`)
  } catch (error) {
    process.stderr.write('failed\n')
    throw error
  }
}

function exitCode(code, signal) {
  return code ?? 128 + constants.signals[signal]
}
