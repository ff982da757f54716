/**
 * The child's side of `child.ts`: a program lists its verbs, each is called with the argument of a question, and what it returns
 * (or resolves to, or throws) is the answer. Written at once, so that it arrives also when the process is killed right after.
 * The process ends with its standard input.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

// The verbs of each child know their arguments; the wire does not.
export type Verbs = Record<string, (argument: any) => unknown>

/** Answers until standard input ends. */
export function answer(verbs: Verbs): void {
  createInterface({ input: process.stdin })
    .on('line', line => void reply(verbs, line))
    .on('close', () => process.exit(0))
}

/** Sends an answer that nobody asked for, such as "about to block". */
export function say(value: unknown): void {
  writeSync(1, `${JSON.stringify({ value })}\n`)
}

async function reply(verbs: Verbs, line: string): Promise<void> {
  const { verb, argument } = JSON.parse(line) as { verb: string; argument?: unknown }
  try {
    const does = verbs[verb]
    if (does === undefined) throw new Error(`no such verb: ${verb}`)
    say(await does(argument))
  } catch (error) {
    writeSync(1, `${JSON.stringify({ error: plain(error) })}\n`)
  }
}

/** An error's name, message and own properties; JSON takes none of the first two by itself. */
export function plain(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) }
  return { ...error, name: error.name, message: error.message }
}
