/**
 * Events: set or not, between processes and workers, with manual and auto reset; a burst of sets costs one wake.
 */
import test from 'ava'
import { until } from './support/until.js'
import { Event } from 'shmem'
import { refuses } from './support/failure.js'
import { LockPeer, LockWorker, managedSegment, untilAwaited, wordsOf } from './support/lock-peer.js'

test('with manual reset it lets everybody through until it is reset', async t => {
  const mem = managedSegment(t)
  const ready = mem.event('ready')
  const peer = new LockPeer(t, mem).object('event', 'ready')
  t.deepEqual([ready.resets, ready.isSet, ready.tryWait(), ready.reset()], ['manual', false, 'busy', false])
  t.true(ready.set())
  t.false(ready.set())
  t.deepEqual([ready.tryWait(), ready.waitSync(), await ready.wait(), await peer.call('waitSync')], ['set', 'set', 'set', 'set'])
  t.is(await peer.call('reset'), true)
  t.deepEqual([ready.isSet, ready.tryWait(), await peer.call('tryWait')], [false, 'busy', 'busy'])
})

test('with auto reset each set lets one through', async t => {
  const mem = managedSegment(t)
  const turn = mem.event('turn', { reset: 'auto' })
  const peer = new LockPeer(t, mem).object('event', 'turn', { reset: 'auto' })
  t.is(turn.resets, 'auto')
  t.true(turn.set())
  t.is(await peer.call('set'), false, 'it counts nothing')
  t.deepEqual([await peer.call('tryWait'), turn.tryWait(), turn.isSet], ['set', 'busy', false])
  t.is(await peer.call('set'), true)
  t.deepEqual([turn.waitSync(), turn.waitSync({ timeoutMs: 0 })], ['set', 'timedOut'])
  t.true(turn.set())
  t.true(turn.reset())
  t.is(await peer.call('tryWait'), 'busy')
})

test('a set wakes all who wait with manual reset: blocked, pending, here and there', async t => {
  const mem = managedSegment(t)
  const ready = mem.event('ready')
  const [one, two] = [new LockPeer(t, mem).object('event', 'ready'), new LockPeer(t, mem).object('event', 'ready')]
  const blocked = one.call('waitSync')
  await two.begin('a', 'wait')
  await two.begin('b', 'wait', { ref: false })
  const here = [ready.wait(), ready.wait(), ready.wait()]
  await untilAwaited(mem, 'ready')
  ready.set()
  t.deepEqual(await Promise.all([blocked, two.end('a'), two.end('b'), ...here]), Array(6).fill('set'))
})

test('with auto reset as many get through as it was set, whoever they are', async t => {
  const mem = managedSegment(t)
  const turn = mem.event('turn', { reset: 'auto' })
  const [one, two] = [new LockPeer(t, mem).object('event', 'turn', { reset: 'auto' }), new LockPeer(t, mem).object('event', 'turn', { reset: 'auto' })]
  await one.begin('a', 'wait')
  await one.begin('b', 'wait')
  const waits = [two.call('waitSync'), one.end('a'), one.end('b'), turn.wait(), turn.wait()]
  const through: unknown[] = []
  const settled = waits.map(async wait => through.push(await wait))
  await untilAwaited(mem, 'turn')
  for (let count = 1; count <= waits.length; count++) {
    turn.set()
    await Promise.race(settled.slice())
    await until('one more is through', () => through.length >= count)
    t.deepEqual(through, waits.slice(0, count).map(() => 'set'))
  }
  t.false(turn.isSet)
})

test('a burst of sets before the waiter ran is one wake and 99 looks', async t => {
  const mem = managedSegment(t)
  const ready = mem.event('ready')
  const native = ready['object']
  let calls = 0
  native.setEvent = function (this: typeof native) {
    calls += 1
    return (Object.getPrototypeOf(native) as typeof native).setEvent.call(this)
  }
  const peer = new LockPeer(t, mem).object('event', 'ready')
  await peer.begin('wait', 'wait')
  await untilAwaited(mem, 'ready')
  for (let count = 0; count < 100; count++) ready.set()
  t.is(await peer.end('wait'), 'set')
  t.is(calls, 1)
  t.is(await peer.call('tryWait'), 'set')
})

test('nothing is lost between two who take turns, blocked or with promises', async t => {
  const mem = managedSegment(t)
  const [ping, pong] = [mem.event('ping', { reset: 'auto' }), mem.event('pong', { reset: 'auto' })]
  const peer = new LockPeer(t, mem)
  const there = { ping: peer.object('event', 'ping', { reset: 'auto' }), pong: peer.object('event', 'pong', { reset: 'auto' }) }
  for (let round = 0; round < 50; round++) {
    const heard = round % 2 === 0 ? there.ping.call('waitSync', { timeoutMs: 10_000 }) : there.ping.call('wait', { timeoutMs: 10_000 })
    ping.set()
    t.is(await heard, 'set')
    const answer = pong.wait({ timeoutMs: 10_000, spinMicros: 50 })
    await there.pong.call('set')
    t.is(await answer, 'set')
  }
  t.deepEqual([ping.isSet, pong.isSet], [false, false])
})

test('who is killed while it waits or after it set blocks nobody', async t => {
  for (const reset of ['manual', 'auto'] as const) {
    const mem = managedSegment(t)
    const ready = mem.event('ready', { reset })
    const [victim, pending, other] = [new LockPeer(t, mem), new LockPeer(t, mem), new LockPeer(t, mem)]
    victim.child.tell('call', { kind: 'event', name: 'ready', options: [{ reset }], method: 'waitSync' })
    await untilAwaited(mem, 'ready')
    await pending.object('event', 'ready', { reset }).begin('w', 'wait')
    const waiting = other.object('event', 'ready', { reset }).call('waitSync')
    await Promise.all([victim.kill(), pending.kill()])
    ready.set()
    t.is(await waiting, 'set')
    const setter = new LockPeer(t, mem)
    await setter.object('event', 'ready', { reset }).call('set')
    await setter.kill()
    t.is(ready.waitSync({ timeoutMs: 10_000 }), 'set', 'it stays as the dead left it')
  }
})

test('timeouts: 0 tries, Infinity waits, NaN and less are refused', async t => {
  const mem = managedSegment(t)
  const ready = mem.event('ready')
  t.deepEqual([ready.waitSync({ timeoutMs: 0 }), ready.waitSync({ timeoutMs: 130, spinMicros: 0 })], ['timedOut', 'timedOut'])
  t.deepEqual(await Promise.all([ready.wait({ timeoutMs: 0 }), ready.wait({ timeoutMs: 30 })]), ['timedOut', 'timedOut'])
  for (const timeoutMs of [NaN, -1, -Infinity]) {
    refuses(t, () => ready.waitSync({ timeoutMs }), 'options.timeoutMs', `${timeoutMs}`)
    await t.throwsAsync(ready.wait({ timeoutMs }), { code: 'ERR_OUT_OF_RANGE' })
  }
  refuses(t, () => ready.waitSync({ spinMicros: -1 }), 'options.spinMicros', '-1')
  const waiting = ready.wait({ timeoutMs: Infinity })
  ready.set()
  t.is(await waiting, 'set')
})

test('an aborted wait rejects with its reason and swallows no set', async t => {
  const mem = managedSegment(t)
  const turn = mem.event('turn', { reset: 'auto' })
  const reason = new Error('changed my mind')
  t.is(await t.throwsAsync(turn.wait({ signal: AbortSignal.abort(reason) })), reason)
  const abort = new AbortController()
  const waits = [turn.wait({ signal: abort.signal }), turn.wait({ signal: abort.signal })]
  await untilAwaited(mem, 'turn')
  // Granted natively, perhaps, but nobody was told yet.
  turn.set()
  abort.abort(reason)
  t.deepEqual(await Promise.allSettled(waits), [{ status: 'rejected', reason }, { status: 'rejected', reason }])
  t.is(turn.waitSync({ timeoutMs: 10_000 }), 'set')
})

test('a blocked thread goes before the promises of its environment', async t => {
  const mem = managedSegment(t)
  const turn = mem.event('turn', { reset: 'auto' })
  const peer = new LockPeer(t, mem)
  const waiting = turn.wait()
  await untilAwaited(mem, 'turn')
  peer.child.tell('call', { kind: 'event', name: 'turn', options: [{ reset: 'auto' }], method: 'set' })
  t.is(turn.waitSync({ timeoutMs: 20_000 }), 'set')
  t.is(await peer.child.answer(), true)
  t.is(await Promise.race([waiting, new Promise(resolve => setImmediate(resolve, 'pending'))]), 'pending')
  turn.set()
  t.is(await waiting, 'set')
})

test('two environments of one process wake each other; one that is terminated while it waits is no harm', async t => {
  const mem = managedSegment(t)
  const turn = mem.event('turn', { reset: 'auto' })
  const [worker, blocked, pending] = [new LockWorker(t, mem), new LockWorker(t, mem), new LockWorker(t, mem)]
  const waiting = worker.object('event', 'turn', { reset: 'auto' }).call('waitSync')
  await untilAwaited(mem, 'turn')
  turn.set()
  t.is(await waiting, 'set')
  blocked.object('event', 'turn', { reset: 'auto' }).call('waitSync').catch(() => {})
  await pending.object('event', 'turn', { reset: 'auto' }).begin('w', 'wait')
  await untilAwaited(mem, 'turn')
  await Promise.all([blocked.terminate(), pending.terminate()])
  turn.set()
  t.is(await worker.object('event', 'turn', { reset: 'auto' }).call('waitSync', { timeoutMs: 10_000 }), 'set')
})

test('closing rejects promises that pend, and later calls throw', async t => {
  const mem = managedSegment(t)
  const ready = mem.event('ready')
  const waits = [ready.wait(), ready.wait()]
  await untilAwaited(mem, 'ready')
  mem.close()
  for (const wait of waits) await t.throwsAsync(wait, { code: 'ERR_SHM_CLOSED' })
  const calls: (keyof Event)[] = ['set', 'tryWait', 'waitSync']
  for (const call of calls) t.throws(() => (ready[call] as () => unknown)(), { code: 'ERR_SHM_CLOSED' }, call)
  t.throws(() => ready.reset(), { code: 'ERR_SHM_CLOSED' })
  t.throws(() => ready.isSet, { code: 'ERR_SHM_CLOSED' })
  await t.throwsAsync(ready.wait(), { code: 'ERR_SHM_CLOSED' })
})

test('who opens it with another reset is told', t => {
  const mem = managedSegment(t)
  mem.event('turn', { reset: 'auto' })
  t.throws(() => mem.event('turn'), { code: 'ERR_SHM_TYPE_MISMATCH', message: /auto[^]*manual|manual[^]*auto/ })
  t.is(mem.event('turn', { reset: 'auto' }), mem.event('turn', { reset: 'auto' }))
})

test('whatever is scribbled over its word is an error, or set, or not', t => {
  const mem = managedSegment(t)
  const ready = mem.event('ready')
  const words = wordsOf(mem, 'ready')
  for (const value of [1, 0x2000_0000, 0x3fff_ffff, 0x4000_0001, -1, -2]) {
    words[0] = value
    t.throws(() => ready.tryWait(), { code: 'ERR_SHM_POSSIBLY_CORRUPT' }, String(value))
    t.throws(() => ready.waitSync({ timeoutMs: 1 }), { code: 'ERR_SHM_POSSIBLY_CORRUPT' }, String(value))
    t.notThrows(() => [ready.set(), ready.reset()])
  }
})
