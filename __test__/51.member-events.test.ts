/**
 * Members that are told of: who joined, left or died, also where a place is taken again at once; at no cost to who does not listen.
 */
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import test from 'ava'
import { ManagedSegment, type Member } from 'shmem'
import { managed, median, member } from './support/managed.js'
import { until } from './support/until.js'

const run = promisify(execFile)

test.serial('who joins, leaves and dies is told, once, and by its name', async t => {
  const { mem, name } = managed(t)
  const told: string[] = []
  const tell = (word: string) => ({ pid, alive, isSelf }: Member) => void told.push(`${word} ${pid} ${alive} ${isSelf}`)
  t.is(mem.on('memberJoined', tell('joined')), mem)
  mem.on('memberLeft', tell('left')).on('memberDied', tell('died'))
  const leaver = await member(t, name)
  const killed = await member(t, name)
  await until('both joined', () => told.length === 2)
  await leaver.ask('close')
  await until('one left', () => told.length === 3)
  await killed.kill()
  await until('one died', () => told.length === 4)
  t.deepEqual(told, [`joined ${leaver.pid} true false`, `joined ${killed.pid} true false`, `left ${leaver.pid} false false`, `died ${killed.pid} false false`])
})

test.serial('a death is told soon', async t => {
  const { mem, name } = managed(t)
  const delays: number[] = []
  for (let kill = 0; kill < 10; kill += 1) {
    const dying = await member(t, name)
    let told = 0
    mem.on('memberDied', () => (told = performance.now()), { once: true })
    const before = performance.now()
    void dying.kill()
    // Looks by itself, as the event keeps nobody alive.
    await until('it is told', () => told > 0)
    delays.push(told - before)
  }
  t.log(`${median(delays).toFixed(1)} ms from the kill to the event in the middle of 10, ${Math.max(...delays).toFixed(1)} ms at most`)
  t.is(delays.length, 10)
})

test.serial('a death is a death and a leave a leave, also where the place was taken again before anybody looked', async t => {
  const { mem, name } = managed(t, { members: 2 })
  const told: string[] = []
  mem.on('memberLeft', ({ name: who }) => told.push(`left ${who}`)).on('memberDied', ({ name: who }) => told.push(`died ${who}`)).on('memberJoined', ({ name: who }) => told.push(`joined ${who}`))
  for (const [first, word] of [['leaver', 'left'], ['killed', 'died']] as const) {
    const child = await member(t, name)
    await until('it joined', () => told.length === 1)
    const known = told.splice(0)[0] ?? ''
    // Without a turn of the event loop in between: the parent looks only when the place has a third user.
    if (first === 'killed') process.kill(child.pid, 'SIGKILL')
    else child.tell('close')
    const deadline = performance.now() + 20_000
    let next: ManagedSegment | undefined
    while (next === undefined && performance.now() < deadline) {
      try {
        next = ManagedSegment.open(name, { memberName: 'next' })
      } catch {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
      }
    }
    next?.close()
    ManagedSegment.open(name, { memberName: 'third' }).close()
    await until('its end is told', () => told.length >= 1)
    t.is(told[0], known.replace('joined', word))
    await child.kill()
    told.splice(0)
  }
})

test.serial('events keep no process alive, and without a listener there is no thread', async t => {
  const { mem, name } = managed(t)
  const program = `import { ManagedSegment } from 'shmem'; ManagedSegment.open('${name}').on('memberDied', () => console.log('told')); console.log('listens')`
  t.is((await run(process.execPath, ['--input-type=module', '-e', program])).stdout, 'listens\n')
  await until('no other test left a thread', () => threads() === 0)
  await (await member(t, name)).ask('close')
  t.is(threads(), 0)
  const listener = (): void => {}
  mem.on('memberDied', listener).on('memberJoined', listener)
  // A new thread gives itself its name.
  await until('there is a thread', () => threads() === 1)
  mem.off('memberDied', listener).off('memberJoined', listener)
  await until('the thread ends', () => threads() === 0)
})

test.serial('a listener for once is called once, and after off() or close() nobody is', async t => {
  const { mem, name } = managed(t)
  let calls = 0
  const listener = (): void => void (calls += 1)
  mem.on('memberJoined', listener, { once: true }).on('memberLeft', listener)
  const joined = await member(t, name)
  // Who is gone again before the next look is not told of.
  await until('the first was called', () => calls === 1)
  await joined.ask('close')
  await until('both were called', () => calls === 2)
  mem.off('memberLeft', listener)
  await (await member(t, name)).ask('close')
  mem.on('memberJoined', listener)
  mem.close()
  await member(t, name)
  t.is(calls, 2)
  t.throws(() => mem.on('memberDied', listener), { code: 'ERR_SHM_CLOSED' })
})

test.serial('40 members, more than one wait can watch, are watched all the same', async t => {
  const { mem, name } = managed(t)
  const crowd = Array.from({ length: 40 }, (_, index) => ManagedSegment.open(name, { memberName: `member ${index}` }))
  const killed = await member(t, name)
  let died = 0
  mem.on('memberDied', ({ pid }) => (died = pid), { once: true })
  await killed.kill()
  await until('it is told', () => died === killed.pid)
  t.is(died, killed.pid)
  for (const each of crowd) each.close()
})

/** Waiter threads of this process. */
function threads(): number {
  return readdirSync('/proc/self/task').filter(task => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, 'utf8') === 'shmem-waiter\n'
    } catch {
      return false
    }
  }).length
}
