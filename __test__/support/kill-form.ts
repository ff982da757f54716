/** How long the kill tests are: short in `npm test`, as long as one likes with `npm run test:kill -- --kills 20000 --rounds 6000`. */

const wished = (name: string): number | undefined => {
  const value = Number(process.env[name])
  return value > 0 ? Math.ceil(value) : undefined
}

const perStructure = wished('SHMEM_TEST_KILLS')
const roundsOfAll = wished('SHMEM_TEST_QUIET_ROUNDS')

/** Kills of each storm. */
export const kills = {
  mutex: perStructure ?? 550,
  /** Of these, of Node members. */
  node: Math.ceil((perStructure ?? 500) / 10),
  namespaces: Math.ceil((perStructure ?? 1000) / 10),
  others: perStructure ?? 500,
  /** For ava: nobody waits for it unless something hangs. */
  timeoutMs: 600_000 + 100 * (perStructure ?? 0)
}

/** Quiet rounds of all roles together. */
export const quietRounds = roundsOfAll ?? 6000
