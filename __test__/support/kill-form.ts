/**
 * How long the kill tests are: short in `npm test`, as long as one likes with `npm run test:kill -- --kills 20000 --rounds 60000`: so many kills of the members of
 * each structure; the locks share as many, the mutex most of them. A word besides chooses files by their name.
 */

const wished = (name: string): number | undefined => {
  const value = Number(process.env[name])
  return value > 0 ? Math.ceil(value) : undefined
}

const all = wished('SHMEM_TEST_KILLS')

/** So many of the kills that were asked for, but never fewer than the short form has. */
const part = (share: number, least: number): number => Math.max(least, Math.ceil((all ?? 0) * share))

/** Kills of each storm. */
export const kills = {
  /** Whether it is the long form, which has storms that `npm test` has no time for. */
  isLong: all !== undefined,
  mutex: part(0.3, 550),
  /** Of these, of Node members. */
  node: part(0.01, 50),
  /** Of members in PID namespaces of their own. */
  namespaces: part(0.1, 100),
  others: part(0.1, 500),
  join: part(0.1, 250),
  /** Of each structure's storm. */
  structures: part(1, 500),
  /** Of a ring of many with one consumer, and of one that drops the oldest. */
  manyOthers: part(0.1, 80),
  ring: part(1, 550),
  /** Of C members, of a mutex and as many of a ring. */
  c: part(0.5, 45),
  /** Of Rust members and of Node members beside these, each. */
  cBeside: part(0.05, 5),
  /** Quiet rounds of each pair of a victim and one who waits for it, one of them in C at least. */
  cQuiet: part(0.02, 6),
  /** For ava: nobody waits for it unless something hangs. */
  timeoutMs: 600_000 + 100 * (all ?? 0)
}

/** Quiet rounds of all roles together. */
export const quietRounds = wished('SHMEM_TEST_QUIET_ROUNDS') ?? 6000
