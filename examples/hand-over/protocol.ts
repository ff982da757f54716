/**
 * What the two processes say to each other beside the blocks: a few small messages over the channel of `fork`.
 *
 * A file travels in rounds. The sender announces a round, the receiver answers `ready` and waits for its blocks, both do
 * the hand-over, and the receiver answers `done` once it has also computed the checksum. Only one round is under way at a time.
 */

/** The block that is handed over at once. */
export const blockBytes = 1024 * 1024

/** Blocks of a round: few enough to stay in the processor's cache, as freshly read data does; see `benchmark/README.md`. */
export const blocksPerRound = 8

/** Bytes of a full round; the last one of a file is shorter. */
export const roundBytes = blockBytes * blocksPerRound

/**
 * The ways a block can take, in the order in which each round tries them. In the first it lies in the
 * shared memory already, as in a program that reads or computes straight into it; in the second it is copied there.
 */
export const ways = ['shared memory in place', 'shared memory by copy', 'Unix socket', 'process.send'] as const
export type Way = (typeof ways)[number]

/** The descriptors that the receiver inherits from the sender. */
export const inheritedFds = { segment: 3, socket: 4 } as const

export type ToReceiver =
  /** `transfer` names the checksum that these bytes continue; without one they are a warm-up. */
  | { kind: 'round'; way: Way; transfer?: string; sizeBytes: number }
  /** Asks for all checksums; the receiver ends afterwards. */
  | { kind: 'finish' }

export type ToSender =
  | { kind: 'ready' }
  /** `endedAtNs` is `process.hrtime.bigint()`, which counts alike in both processes (CLOCK_MONOTONIC). */
  | { kind: 'done'; endedAtNs: bigint; touched: number }
  | { kind: 'checksums'; sha256: Record<string, string> }
