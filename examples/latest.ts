/**
 * A robot's pose, published a thousand times a second by one process and looked at by another whenever it has time: always the newest, always whole,
 * and neither waits for the other. Then the publisher is killed in the middle of a pose, and another takes its place.
 *
 *     npm run build && node dist/examples/latest.js
 *
 * A run that was killed leaves /dev/shm/shmem-latest-<its pid> behind.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { ManagedSegment } from 'shmem'

/** A time and three coordinates, which are all the same here, so that half a pose shows. */
const POSE = { bytes: 4 * 8, readers: 2 }

async function parent(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '1MiB' })
  const children: ChildProcess[] = []
  const start = (role: string): ChildProcess => {
    const child = fork(import.meta.filename, [name, role])
    children.push(child)
    return child
  }
  try {
    const input = mem.latest('pose', POSE).reader()
    const publisher = start('publish')
    console.log(`before the first pose there is none: ${input.read()}`)
    let [poses, torn, backwards, last] = [0, 0, 0, 0]
    while (poses < 100) {
      // A pose where it lies: it stays as it is until the next call, whatever the publisher does.
      if ((await input.next()) === 'writerDied') throw new Error('the publisher died')
      const view = input.view() as Uint8Array
      const [time, x, y, z] = new Float64Array(mem.buffer, view.byteOffset, 4)
      if (x !== time || y !== time || z !== time) torn += 1
      if (input.version < last) backwards += 1
      last = input.version
      poses += 1
    }
    console.log(`${poses} poses: ${torn} torn, ${backwards} older than the one before`)

    // The child stops in the middle of a pose, and says so.
    publisher.send('stop in the middle')
    await once(publisher, 'message')
    publisher.kill('SIGKILL')
    let told: unknown
    while (told !== 'writerDied') told = await input.next()
    const [time, , , z] = new Float64Array(mem.buffer, input.offset, 4)
    console.log(`killed in the middle of a pose: next() is '${told}', and the newest pose is whole: ${time === z}`)

    const before = input.version
    const successor = start('publish once')
    await input.next()
    console.log(`the next publisher goes on with the next version: ${input.version === before + 1}`)
    await once(successor, 'exit')
    console.log(`it ended: next() is '${await input.next()}'`)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    mem.close()
    mem.remove()
  }
}

async function publish(name: string, isOnce: boolean): Promise<void> {
  const mem = ManagedSegment.open(name)
  const out = mem.latest('pose', POSE).writer()
  const write = (words: number): void => {
    const pose = new Float64Array(mem.buffer, out.begin().byteOffset, 4)
    for (let word = 0; word < words; word += 1) pose[word] = out.version + 1
  }
  if (isOnce) {
    write(4)
    out.publish()
    out.end()
    mem.close()
    return
  }
  const timer = setInterval(() => {
    write(4)
    out.publish()
  }, 1)
  await once(process, 'message')
  clearInterval(timer)
  write(2)
  process.send?.('in the middle')
}

const [, , name, role] = process.argv
if (name === undefined) await parent(`shmem-latest-${process.pid}`)
else await publish(name, role === 'publish once')
