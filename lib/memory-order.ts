/**
 * In which order the processor does what the code says.
 *
 * @module
 * @internal
 */

/**
 * Whether a plain load of a typed array's element comes after the `Atomics` call that stands before it, and before the one that stands behind it. The
 * compiler keeps them apart, since it cannot look into the call; x64 itself never takes a load before a locked instruction, nor two loads out of their
 * order. On arm64 it may move past the call's, and only `Atomics.load` will do, which costs 5 ns.
 */
export const LOADS_IN_ORDER = process.arch === 'x64'
