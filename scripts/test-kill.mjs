/**
 * `npm run test:kill -- --kills 20000 --rounds 60000`: the kill tests of `npm test`, as long as one likes: so many kills of
 * the members of each structure, and of all locks together, and so many quiet rounds in all. `-- mutex` runs those files whose name contains the word. The last line is that of `npm test`.
 */
import { testPackage } from './ava.mjs'
import { bootstrap } from './bootstrap.mjs'
import { Stop, main } from './process.mjs'
import { conclude } from './tally.mjs'

await main(async (args) => {
  let kills = 20_000
  let rounds = 60_000
  let word = ''
  for (let index = 0; index < args.length; index++) {
    if (args[index] === '--kills') kills = count(args[++index])
    else if (args[index] === '--rounds') rounds = count(args[++index])
    else if (args[index].startsWith('-') || word !== '') throw new Stop('Usage: npm run test:kill -- [--kills n] [--rounds n] [word]')
    else word = args[index]
  }
  process.env.SHMEM_TEST_KILLS = String(kills)
  process.env.SHMEM_TEST_QUIET_ROUNDS = String(rounds)
  await bootstrap()
  return conclude(await testPackage(process.execPath, `60.kill-${word}`, { silenceMinutes: 120 }))
})

function count(text) {
  if (!/^[1-9]\d{0,8}$/.test(text ?? '')) throw new Stop(`Not a count: ${text}`)
  return Number(text)
}
