/** The other side of `Partner`: reads one duty a line, tells that it begins, and writes its numbers; ends with its input. */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

export type Duty = (...numbers: number[]) => number[] | Promise<number[]>

/** Resolves when the input has ended. A duty that fails ends the process, so that nobody takes its numbers for true. */
export async function serve(duties: Record<string, Duty>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, ...numbers] = JSON.parse(line) as [string, ...number[]]
    const duty = duties[name]
    if (duty === undefined) throw new Error(`there is no duty ${name}`)
    // Not through the stream: a duty may block the thread at once. What it listens to comes from the event loop, after it began.
    writeSync(process.stdout.fd, 'begun\n')
    writeSync(process.stdout.fd, `${JSON.stringify(await duty(...numbers))}\n`)
  }
}

/** Nanoseconds of CLOCK_MONOTONIC, which all Node processes of a machine share; Bun counts from its own start. */
export function nowNs(): number {
  return Number(process.hrtime.bigint())
}
