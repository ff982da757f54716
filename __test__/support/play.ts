/**
 * The child's side of `scenario.ts`: a program lists its scenarios, the one named on the command line is played, and a last line
 * says that it came to its end. What it asserts throws, and ends the process with 1. Nothing here loads the addon: some
 * scenarios are about who does so first.
 */
import { writeSync } from 'node:fs'

export type Scenario = (...args: string[]) => unknown

/** Plays the scenario that the command line names. */
export async function play(scenarios: Record<string, Scenario>): Promise<void> {
  const [name = '', ...args] = process.argv.slice(2)
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`no such scenario: ${name}`)
  await scenario(...args)
  survived()
}

/** The last line; for scenarios that end their process themselves. */
export function survived(): void {
  writeSync(1, `survived ${process.argv[2]}\n`)
}

/** Says why a scenario cannot be played here. */
export function stepAside(reason: string): void {
  writeSync(1, `skip: ${reason}\n`)
}

/** Collects garbage, and lets finalizers run. */
export async function collect(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.()
    await new Promise(resolve => setImmediate(resolve))
  }
}
