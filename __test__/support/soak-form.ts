/** How long the soaks are: short in `npm test`, 20 million messages through a ring of many with `npm run test:soak`. */

const wished = Number(process.env['SHMEM_TEST_SOAK_MANY'])

/** Messages of each soak. */
export const soakMessages = { many: wished > 0 ? Math.ceil(wished) : 200_000 }
