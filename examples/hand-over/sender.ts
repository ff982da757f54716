/**
 * The sending process: starts the receiver, hands every round of the input over in each way, and checks the checksums.
 *
 * The clock of a round runs from the sender's first block, which lies ready in private memory, to the moment at which
 * the receiver has touched every cache line of the last one. Reading the file and the checksums are outside of it; they
 * are in the end-to-end time.
 */
import { createHash } from 'node:crypto'
import { openInput } from './rounds.js'
import { roundBytes, ways, type Way } from './protocol.js'
import { ReceiverProcess } from './receiver-process.js'

export interface HandOverOptions {
  /** A path, or `-` for standard input. */
  input: string
  /** How often each way carries the whole input; by default 1 to 7, less for larger inputs. */
  repeats?: number
  /** Called once both processes run. */
  onStart?: (pids: { sender: number; receiver: number }) => void
  /** Called after each round in each way; the total is unknown for a stream. */
  onProgress?: (doneBytes: number, totalBytes: number | undefined) => void
}

/** What one way did; one number a repeat. */
export interface WayReport {
  way: Way
  sizeBytes: number
  seconds: number[]
  endToEndSeconds: number[]
}

export interface HandOverReport {
  label: string
  sizeBytes: number
  sha256: string
  ways: WayReport[]
}

/** Beyond this, `process.send` no longer carries all of the input: it is many times slower than the others. */
export const channelLimitBytes = 4 * 1024 ** 3

const warmUps = 3
const streamRepeats = 3

/** Rejects if the receiver dies, or if a single checksum differs. */
export async function handOver(options: HandOverOptions): Promise<HandOverReport> {
  const input = await openInput(options.input)
  const repeats = options.repeats ?? defaultRepeats(input.sizeBytes)
  const totalBytes = input.sizeBytes === undefined ? undefined : totalWorkBytes(input.sizeBytes, repeats)
  const receiver = new ReceiverProcess()
  try {
    options.onStart?.({ sender: process.pid, receiver: receiver.pid })
    const ledger = new Ledger(repeats)
    let doneBytes = 0
    for (;;) {
      const readingSince = process.hrtime.bigint()
      const next = await receiver.whileAlive(input.rounds.next())
      if (next.done === true) break
      const round = next.value
      const readNs = process.hrtime.bigint() - readingSince
      if (ledger.sizeBytes === 0) await warmUp(receiver, round)
      ledger.addRound(round)
      // All repeats of a way in a row: every way finds its own bytes in the cache, not those of the way before.
      for (const way of ledger.openWays()) {
        for (let repeat = 0; repeat < repeats; repeat += 1) {
          const times = await receiver.handOver(way, round, transferName(way, repeat))
          ledger.addTimes(way, repeat, round.length, { handOverNs: times.handOverNs, endToEndNs: readNs + times.withChecksumNs })
          options.onProgress?.((doneBytes += round.length), totalBytes)
        }
      }
    }
    ledger.check(await receiver.finish())
    return { label: input.label, ...ledger.report() }
  } finally {
    receiver.close()
  }
}

/** The first rounds of a program run uncompiled, over memory nobody touched yet: they say nothing about either way. */
async function warmUp(receiver: ReceiverProcess, round: Buffer): Promise<void> {
  for (let time = 0; time < warmUps; time += 1) for (const way of ways) await receiver.handOver(way, round)
}

function defaultRepeats(sizeBytes: number | undefined): number {
  if (sizeBytes === undefined) return streamRepeats
  return sizeBytes <= 512 * 1024 ** 2 ? 7 : sizeBytes <= 2 * 1024 ** 3 ? 3 : 1
}

function totalWorkBytes(sizeBytes: number, repeats: number): number {
  const channelBytes = Math.min(sizeBytes, Math.ceil(channelLimitBytes / roundBytes) * roundBytes)
  return repeats * ((ways.length - 1) * sizeBytes + channelBytes)
}

const transferName = (way: Way, repeat: number): string => `${way} ${repeat + 1}`

/** Adds up the times of all rounds and knows which checksum each transfer must have. */
class Ledger {
  sizeBytes = 0
  readonly #ways: WayReport[]
  readonly #hash = createHash('sha256')
  #channelHash: string | undefined
  readonly #repeats: number

  constructor(repeats: number) {
    this.#repeats = repeats
    const zeroes = (): number[] => Array.from({ length: repeats }, () => 0)
    this.#ways = ways.map((way) => ({ way, sizeBytes: 0, seconds: zeroes(), endToEndSeconds: zeroes() }))
  }

  openWays(): Way[] {
    return ways.filter((way) => way !== 'process.send' || this.#channelHash === undefined)
  }

  addRound(round: Buffer): void {
    if (this.sizeBytes >= channelLimitBytes) this.#channelHash ??= this.#hash.copy().digest('hex')
    this.#hash.update(round)
    this.sizeBytes += round.length
  }

  addTimes(way: Way, repeat: number, roundSize: number, times: { handOverNs: bigint; endToEndNs: bigint }): void {
    const report = this.#ways[ways.indexOf(way)]
    if (report === undefined) return
    if (repeat === 0) report.sizeBytes += roundSize
    report.seconds[repeat] = (report.seconds[repeat] ?? 0) + Number(times.handOverNs) / 1e9
    report.endToEndSeconds[repeat] = (report.endToEndSeconds[repeat] ?? 0) + Number(times.endToEndNs) / 1e9
  }

  check(received: Record<string, string>): void {
    if (this.sizeBytes === 0) return
    const sent = this.#sha256()
    for (const way of ways) {
      const expected = way === 'process.send' ? (this.#channelHash ?? sent) : sent
      for (let repeat = 0; repeat < this.#repeats; repeat += 1) {
        const actual = received[transferName(way, repeat)]
        if (actual !== expected) throw new Error(`${way} delivered other bytes: sha256 ${actual ?? 'missing'} instead of ${expected}.`)
      }
    }
  }

  report(): Omit<HandOverReport, 'label'> {
    return { sizeBytes: this.sizeBytes, sha256: this.#sha256(), ways: this.#ways }
  }

  #sha256(): string {
    return this.#hash.copy().digest('hex')
  }
}
