/**
 * What is done once, and records that are read without a lock, between processes: also when the one who does or writes is killed in
 * the middle.
 */
import test from 'ava'
import { newManaged, newUser } from './support/managed-peer.js'
import { until } from './support/until.js'

test('of many who call, one does it, and all wait for that one', async t => {
  const mem = newManaged(t)
  const users = await Promise.all([newUser(t, mem), newUser(t, mem)])
  const [once, runs] = [mem.once('once'), mem.word('runs')]
  t.false(once.isDone)
  const asked = users.map((user, index) => user.play('once', { name: 'once', how: 'ends', sync: index === 0 }))
  const mine = Array.from({ length: 20 }, () => once.run(() => runs.add(1)))
  const outcomes = [...(await Promise.all(asked)), ...(await Promise.all(mine))]
  t.is(outcomes.filter(outcome => outcome === 'ran').length, 1)
  t.is(outcomes.filter(outcome => outcome === 'done').length, 21)
  t.is(runs.load(), 1)
  t.true(once.isDone)
  t.is(once.runSync(() => t.fail()), 'done')
})

test('when the one who does it throws, the next one does it', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  const once = mem.once('once')
  for (const sync of [true, false]) await t.throwsAsync(other.play('once', { name: 'once', how: 'throws', sync }), { message: 'it failed' })
  await t.throwsAsync(once.run(async () => { throw new Error('here, too') }), { message: 'here, too' })
  t.false(once.isDone)
  t.is(once.runSync(() => {}), 'ran')
  t.is(await other.play('once', { name: 'once', how: 'ends' }), 'done')
})

test('when the one who does it is killed, one who waits does it', async t => {
  const mem = newManaged(t)
  const [once, runs] = [mem.once('once'), mem.word('runs')]
  const other = await newUser(t, mem)
  other.child.tell('once', { name: 'once', how: 'hangs' })
  t.is(await other.child.answer(), 'hangs')
  t.is(once.runSync(() => t.fail(), { timeoutMs: 10 }), 'timedOut')
  t.is(await once.run(() => t.fail(), { timeoutMs: 10 }), 'timedOut')
  const mine = once.run(() => runs.add(1))
  await other.child.kill()
  t.is(await mine, 'ran')
  t.is(runs.load(), 2)
  t.is(once.stats().ownerDeaths, 1)
})

test('a once inside itself is a deadlock in words, and the segment stays open meanwhile', async t => {
  const mem = newManaged(t)
  const once = mem.once('once')
  t.throws(() => once.runSync(() => once.runSync(() => {})), { code: 'ERR_SHM_DEADLOCK' })
  t.throws(() => once.runSync(() => mem.close()), { code: 'ERR_SHM_HELD' })
  t.false(once.isDone)
  const abort = new AbortController()
  const long = once.run(() => new Promise(resolve => setTimeout(resolve, 50)))
  const impatient = once.run(() => t.fail(), { signal: abort.signal })
  const reason = new Error('enough')
  abort.abort(reason)
  await t.throwsAsync(impatient, { is: reason })
  t.is(await long, 'ran')
})

test('a record is what was written last, and starts with zeroes', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  for (const bytes of [1, 3, 64, 65, 1000]) {
    const record = mem.seqlock(`of ${bytes}`, { bytes })
    await other.has('seqlock', `of ${bytes}`, { bytes })
    t.deepEqual([...record.read()], new Array(bytes).fill(0))
    for (let value = 1; value < 4; value += 1) {
      const written = Uint8Array.from({ length: bytes }, (_, at) => at * value)
      t.is(record.write(written), 'written')
      t.deepEqual(record.read(), Buffer.from(written))
      const target = new Uint8Array(bytes + 3).fill(9)
      t.is(record.read(target), target)
      t.deepEqual([...target], [...written, 9, 9, 9])
      t.is(record.version, value)
      t.is(await other.call(`of ${bytes}.version`), value)
      t.deepEqual(Buffer.from(((await other.call(`of ${bytes}.read`)) as { data: number[] }).data), Buffer.from(written))
    }
  }
  const record = mem.seqlock('of 64', { bytes: 64 })
  t.throws(() => record.write(new Uint8Array(63)), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => record.write(new Uint8Array(65)), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => record.read(new Uint8Array(63)), { code: 'ERR_OUT_OF_RANGE' })
  t.throws(() => mem.seqlock('of 64', { bytes: 63 }), { code: 'ERR_SHM_TYPE_MISMATCH' })
})

test('no read is torn while another process writes', async t => {
  const mem = newManaged(t)
  const other = await newUser(t, mem)
  const record = mem.seqlock('record', { bytes: 256 })
  other.child.tell('writeRecords', { name: 'record', bytes: 256 })
  t.is(await other.child.answer(), 'writes')
  const target = new Uint8Array(256)
  let torn = 0
  const seen = new Set<number | undefined>()
  for (let reads = 0; reads < 200_000; reads += 1) {
    record.read(target)
    const first = target[0]
    seen.add(first)
    for (let at = 1; at < 256; at += 1) if (target[at] !== first) torn += 1
  }
  t.is(torn, 0)
  t.true(seen.size > 10, 'the writer was at work meanwhile')
})

test('a writer that is killed in the middle leaves a whole record, and the next one writes', async t => {
  const mem = newManaged(t)
  // So large that a kill hits the middle of a write, mostly.
  const bytes = 1 << 20
  const record = mem.seqlock('record', { bytes })
  for (let round = 0; round < 12; round += 1) {
    const other = await newUser(t, mem)
    other.child.tell('writeRecords', { name: 'record', bytes })
    t.is(await other.child.answer(), 'writes')
    const before = record.version
    await until('it writes', () => record.version !== before)
    await other.child.kill()
    const left = record.read()
    t.is(left.compare(Buffer.alloc(bytes, left[0])), 0)
    const version = record.version
    t.is(record.write(new Uint8Array(bytes).fill(round)), 'written')
    t.is(record.version, (version + 1) >>> 0)
    t.is(record.read()[bytes - 1], round)
  }
  t.log(`${record.stats().ownerDeaths} of 12 died in the middle`)
  t.true(record.stats().ownerDeaths > 0)
})

test('closing ends both', async t => {
  const mem = newManaged(t)
  const [once, record] = [mem.once('once'), mem.seqlock('record', { bytes: 8 })]
  mem.close()
  const dead = [() => once.isDone, () => once.runSync(() => {}), () => record.read(), () => record.write(new Uint8Array(8)), () => record.version]
  for (const call of dead) t.throws(call, { code: 'ERR_SHM_CLOSED' })
  await t.throwsAsync(once.run(() => {}), { code: 'ERR_SHM_CLOSED' })
})
