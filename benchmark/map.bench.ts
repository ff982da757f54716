/**
 * How long does a get and a set of 100 bytes take, against lmdb, Redis over a Unix socket, and a plain `Map`?
 * The bars: faster than lmdb, and at least 50 times as fast as Redis; both for get and for set.
 */
import { openLmdb, openRedis, plainMap } from './support/map-peers.js'
import { fill, keyBytes, keyCount, timeAsyncGets, timeAsyncSets, timeGets, timeSets, valueBytes } from './support/map-work.js'
import { addMatch, type Other } from './support/matches.js'
import { parseOptions, roundsFor } from './support/options.js'
import { ourMap, type OurMap } from './support/our-map.js'
import { installPeers } from './support/peers.js'
import { Report } from './support/report.js'

const options = parseOptions()
const report = new Report('map', `Get and set ${valueBytes} bytes by a key of ${keyBytes}: how many times lmdb, Redis and a Map?`, options)
const rounds = roundsFor(options)
const calls = options.quick ? 2000 : 10 * keyCount
const requests = options.quick ? 200 : 2000
const pipelined = 100
const lmdbLimit = 1
const redisLimit = 1 / 50

async function compareAll(ours: OurMap): Promise<void> {
  const plain = plainMap()
  const lmdb = openLmdb()
  const redis = await openRedis()
  for (const map of [ours, plain]) await fill(map)
  const gets: Other[] = [{ name: plain.name, side: () => timeGets(plain, calls) }]
  const reusing: Other[] = [{ name: plain.name, side: () => timeGets(plain, calls) }]
  const sets: Other[] = [{ name: plain.name, side: () => timeSets(plain, calls) }]
  if (typeof lmdb === 'string') report.skip('lmdb', lmdb)
  else {
    await fill(lmdb)
    gets.push({ name: 'lmdb', side: () => timeGets(lmdb, calls), limit: lmdbLimit })
    reusing.push({ name: lmdb.reusing.name, side: () => timeGets(lmdb.reusing, calls), limit: lmdbLimit })
    sets.push({ name: 'lmdb, putSync', side: () => timeSets(lmdb, calls / 10), limit: lmdbLimit })
    sets.push({ name: `lmdb, put, ${pipelined} at once`, side: () => timeAsyncSets(lmdb.promising, calls / 10, pipelined), limit: lmdbLimit })
  }
  if (typeof redis === 'string') report.skip('Redis', redis)
  else {
    await fill(redis)
    const together = `${redis.name}, ${pipelined} at once`
    gets.push({ name: redis.name, side: () => timeAsyncGets(redis, requests, 1), limit: redisLimit })
    gets.push({ name: together, side: () => timeAsyncGets(redis, requests, pipelined) })
    sets.push({ name: redis.name, side: () => timeAsyncSets(redis, requests, 1), limit: redisLimit })
    sets.push({ name: together, side: () => timeAsyncSets(redis, requests, pipelined) })
  }
  try {
    await addMatch(report, { subject: 'get', unit: 'ns', ours: { name: ours.name, side: () => timeGets(ours, calls) }, others: gets }, rounds)
    const into = ours.reusing
    await addMatch(report, { subject: 'get', unit: 'ns', ours: { name: into.name, side: () => timeGets(into, calls) }, others: reusing }, rounds)
    await addMatch(report, { subject: 'set', unit: 'ns', ours: { name: ours.name, side: () => timeSets(ours, calls) }, others: sets }, rounds)
  } finally {
    if (typeof lmdb !== 'string') await lmdb.close()
    if (typeof redis !== 'string') await redis.close()
  }
}

installPeers('peers/maps')
const ours = ourMap(`shmem-bench-${process.pid}`)
try {
  await compareAll(ours)
} finally {
  await ours.close()
}
report.remark(`${keyCount} keys that are all there, visited in no order by one process; every answer is looked at; smaller is better.`)
report.remark('getInto and getBinaryFast put every value into the same buffer; the others make one for each.')
report.remark(`lmdb: its file is in memory and it waits for no disk. "${pipelined} at once": requests that go out together.`)
report.finish()
