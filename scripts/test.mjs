/**
 * `npm test`: the core's own tests (cargo) and the package's (ava), counted together. The last line is alone and says
 * `N passed, N failed[, N skipped]`; the exit code is 0 only if nothing failed and something passed.
 * `npm test -- posix` runs the test files and the Rust tests whose name contains the word.
 */
import { testPackage } from './ava.mjs'
import { bootstrap } from './bootstrap.mjs'
import { main, stream } from './process.mjs'
import { CargoTally, conclude, sum } from './tally.mjs'

await main(async ([word]) => {
  await bootstrap()
  return conclude(sum([await testCore(word), await testPackage(process.execPath, word)]))
})

async function testCore(word) {
  const tally = new CargoTally({ mayBeEmpty: word !== undefined })
  // Without --no-fail-fast cargo does not run the programs behind the first that fails.
  const args = ['test', '--workspace', '--exclude', 'shmem-node', '--no-fail-fast', '--', '--show-output']
  const end = await stream('cargo', word === undefined ? args : [...args, word], { onLine: (line) => tally.line(line) })
  return tally.close(end)
}
