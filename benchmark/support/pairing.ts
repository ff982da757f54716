/** Runs the sides of a comparison in turns, A B A B, so that both see the same machine. */

/** Measures once; the unit is the benchmark's own. */
export type Side = () => number | Promise<number>

export interface Rounds {
  /** Rounds whose samples count. */
  rounds: number
  /** Rounds before them, in which code is compiled and memory is touched for the first time. */
  warmUps: number
}

/** One sample a round for each side, in the order of the rounds. */
export async function interleave<Name extends string>(
  sides: Record<Name, Side>,
  { rounds, warmUps }: Rounds,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[]
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = -warmUps; round < rounds; round += 1) {
    for (const name of names) {
      const sample = await sides[name]()
      if (round >= 0) samples[name].push(sample)
    }
  }
  return samples
}

/** Nanoseconds that one call of `operation` takes, over many calls. */
export function nanosecondsPerCall(operation: () => void, iterations: number): number {
  const started = process.hrtime.bigint()
  for (let count = 0; count < iterations; count += 1) operation()
  return Number(process.hrtime.bigint() - started) / iterations
}
