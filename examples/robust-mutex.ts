/**
 * The owner of a mutex is killed with SIGKILL, in the middle of its work. The next one gets the lock at once, is told, and repairs.
 *
 * Two accounts hold 100 together, always: whoever moves money does so with the mutex held. The owner takes 30 from the first account, and
 * never comes to put it on the second. Who repairs knows the rule, and so what is missing.
 *
 *     npm run build && node dist/examples/robust-mutex.js
 *
 * A run that was killed leaves /dev/shm/shmem-robust-mutex-<its pid> behind.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment, type ShmError } from 'shmem'

const TOTAL = 100

async function parent(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  try {
    mem.word('first').store(TOTAL)
    await repairAfterDeath(mem, name)
    await neglectAfterDeath(mem, name)
  } finally {
    mem.close()
    mem.remove()
  }
}

async function repairAfterDeath(mem: ManagedSegment, name: string): Promise<void> {
  const mutex = mem.mutex('accounts')
  const clerk = await ownerInTheMiddle(name)
  console.log(`the owner holds the lock: tryLock() is '${mutex.tryLock()}', and ${mutex.owner?.name} is alive: ${mutex.owner?.alive}`)
  const got = mutex.lock()
  clerk.kill('SIGKILL')
  console.log(`the owner is killed: lock() is '${await got}'`)
  console.log(`found: ${accounts(mem)}`)
  mem.word('second').store(TOTAL - mem.word('first').load())
  mutex.markConsistent()
  mutex.unlock()
  console.log(`repaired: ${accounts(mem)}`)
  console.log(`the next lock() is '${await mutex.lock()}', as ever`)
  mutex.unlock()
}

/** What happens to a lock that is given back without a repair: nobody gets it any more, since what it guards is not to be trusted. */
async function neglectAfterDeath(mem: ManagedSegment, name: string): Promise<void> {
  const mutex = mem.mutex('accounts')
  const clerk = await ownerInTheMiddle(name)
  const got = mutex.lock()
  clerk.kill('SIGKILL')
  console.log(`another owner is killed: lock() is '${await got}'`)
  mutex.unlock()
  await mutex.lock().catch((error: ShmError) => console.log(`not repaired: the next lock() is ${error.code}`))
  // The data is made anew, from wherever it can be had; then the lock is.
  mem.word('first').store(TOTAL)
  mem.word('second').store(0)
  console.log(`made anew: reset() is ${mutex.reset()}, and lock() is '${await mutex.lock()}'`)
  mutex.unlock()
}

/** Starts an owner, and answers when it has taken the money from one account. */
async function ownerInTheMiddle(name: string): Promise<ChildProcess> {
  const clerk = fork(import.meta.filename, [name])
  await once(clerk, 'message')
  return clerk
}

/** The second process: stops in the middle, and never unlocks. */
function owner(name: string): void {
  const mem = ManagedSegment.open(name, { memberName: 'the owner' })
  mem.mutex('accounts').lockSync()
  mem.word('first').sub(30)
  process.send?.('in the middle')
  // Keeps the process alive as long as the parent is.
  process.on('message', () => {})
}

function accounts(mem: ManagedSegment): string {
  const [first, second] = [mem.word('first').load(), mem.word('second').load()]
  return `${first} + ${second} = ${first + second}`
}

const name = process.argv[2]
if (name === undefined) await parent(`shmem-robust-mutex-${process.pid}`)
else owner(name)
