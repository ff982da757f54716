/** Waits for what another process does: no test sleeps for a time and hopes. */
import { readFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

/** Looks every 5 ms until it holds; after a minute and more that is an error. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < 12_000; looks++) {
    if (await holds()) return
    await setTimeout(5)
  }
  throw new Error(`it never came to pass that ${what}`)
}

/** The letter of a process's main thread in /proc: `S` sleeps, `R` runs, `T` is stopped, `Z` has ended; none once it is gone. */
export function stateOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0]
  } catch {
    return undefined
  }
}
