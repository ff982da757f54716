/**
 * Questions, where somebody can answer.
 */
import { createInterface } from 'node:readline/promises'

/** Whether somebody sits there. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true
}

/** Asks, on standard error: standard output is for results. Everything but yes is no. */
export async function agrees(question: string): Promise<boolean> {
  const asked = createInterface({ input: process.stdin, output: process.stderr })
  try {
    // Ctrl-D and Ctrl-C end the question without an answer.
    const closed = new Promise<undefined>(resolve => asked.once('close', () => resolve(undefined)))
    const answer = await Promise.race([asked.question(`${question} [y/N] `), closed])
    if (answer === undefined) process.stderr.write('\n')
    return /^y(es)?$/iu.test(answer?.trim() ?? '')
  } finally {
    asked.close()
  }
}
