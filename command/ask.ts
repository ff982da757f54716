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
    const closed = new Promise<string>(resolve => asked.once('close', () => resolve('')))
    return /^y(es)?$/iu.test((await Promise.race([asked.question(`${question} [y/N] `), closed])).trim())
  } finally {
    asked.close()
  }
}
