/**
 * `npm run test:soak`: the soaks of `npm test` in their long form, every message checked: 100 million through a ring of one producer and one consumer, 20 million
 * through one of many. `-- --one 1000000 --many 500000` asks for others. The last line is that of `npm test`.
 */
import { testPackage } from './ava.mjs'
import { bootstrap } from './bootstrap.mjs'
import { Stop, main } from './process.mjs'
import { conclude } from './tally.mjs'

await main(async (args) => {
  const counts = { '--one': 100_000_000, '--many': 20_000_000 }
  for (let index = 0; index < args.length; index += 2) {
    const text = args[index + 1] ?? ''
    if (!(args[index] in counts) || !/^[1-9]\d{0,9}$/.test(text)) throw new Stop('Usage: npm run test:soak -- [--one n] [--many n]')
    counts[args[index]] = Number(text)
  }
  process.env.SHMEM_TEST_SOAK_ONE = String(counts['--one'])
  process.env.SHMEM_TEST_SOAK_MANY = String(counts['--many'])
  await bootstrap()
  return conclude(await testPackage(process.execPath, '66.', { silenceMinutes: 120 }))
})
