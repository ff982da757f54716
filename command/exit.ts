/**
 * How the command ends: its exit codes, and what it says of an error.
 */
import { printJson } from './output.js'
import { escaped } from './words.js'

/** As docs/cli.md tells them. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const

/** The user asked for what there is not. */
export class Usage extends Error {}

/** What an error looks like to us: Node's, and our own, whose message ends with its hint. */
interface Facts {
  message?: string
  code?: string
  hint?: string
}

/** Says what went wrong on standard error. Answers the exit code. */
export function complain(error: unknown, json: boolean): number {
  const { message = String(error), code, hint } = (error ?? {}) as Facts
  if (json) printJson({ error: { message, ...(code === undefined ? {} : { code }), ...(hint === undefined ? {} : { hint }) } }, process.stderr)
  else process.stderr.write(`shmem: ${escaped(message)}\n`)
  return error instanceof Usage ? EXIT.usage : EXIT.failed
}

/** `shmem ls | head`: who reads no more wants no error, and a terminal that is gone (EIO) none either. A full disk is told of. */
export function whenNobodyReads(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'EIO') process.exit()
      process.exit(stream === process.stdout ? complain(error, false) : EXIT.failed)
    })
  }
}
