/**
 * Reads the input in rounds of bounded memory, so that a file of any size can be handed over.
 * Every round comes in the same private buffer: the caller must be done with one before it asks for the next.
 */
import { open, stat } from 'node:fs/promises'
import { roundBytes } from './protocol.js'

export interface Input {
  label: string
  /** Unknown for standard input. */
  sizeBytes: number | undefined
  rounds: AsyncGenerator<Buffer, void>
}

/** `-` is standard input, anything else a path. */
export async function openInput(input: string): Promise<Input> {
  if (input === '-') return { label: 'standard input', sizeBytes: undefined, rounds: roundsOfStream(process.stdin) }
  const stats = await stat(input)
  if (!stats.isFile()) throw new Error(`${input} is not a regular file; pipe its bytes in and say - instead.`)
  return { label: input, sizeBytes: stats.size, rounds: roundsOfFile(await open(input)) }
}

/** Reads only when asked, so that no read-ahead runs beside the clock. */
async function* roundsOfFile(file: Awaited<ReturnType<typeof open>>): AsyncGenerator<Buffer, void> {
  const round = Buffer.alloc(roundBytes)
  let position = 0
  for (;;) {
    let filled = 0
    while (filled < roundBytes) {
      const { bytesRead } = await file.read(round, filled, roundBytes - filled, position)
      if (bytesRead === 0) break
      filled += bytesRead
      position += bytesRead
    }
    if (filled > 0) yield round.subarray(0, filled)
    if (filled < roundBytes) return await file.close()
  }
}

async function* roundsOfStream(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  const round = Buffer.alloc(roundBytes)
  let filled = 0
  for await (const chunk of stream) {
    for (let taken = 0; taken < chunk.length; ) {
      const copied = chunk.copy(round, filled, taken)
      taken += copied
      filled += copied
      if (filled < roundBytes) continue
      yield round
      filled = 0
    }
  }
  if (filled > 0) yield round.subarray(0, filled)
}
