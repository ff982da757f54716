/**
 * Passing memory to a child. In C a child of fork(2) has its parent's shared mappings, and loses them with exec(2). A child of Node is always a new program: it gets a
 * name, an identifier or a descriptor instead, and maps the memory itself. Four ways, the last one for whoever wants but one.
 *
 *     npm run build && node dist/examples/memory-to-child.js
 *
 * It leaves nothing behind, even if it is killed: no object here has a name for longer than it takes to start the child, but for the POSIX one,
 * /dev/shm/shmem-memory-to-child-<pid>.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { IPC_PRIVATE, MemfdSegment, PosixSegment, SysvSegment, openDescriptor, type Descriptor, type Segment } from 'shmem'

/** Where a child sees a descriptor that is the fourth of its stdio. */
const CHILD_FD = 3

async function parent(): Promise<void> {
  // Memory without a name: the child inherits the descriptor. Nobody else can find it.
  const memfd = MemfdSegment.create('to-child', { size: 4096 })
  await shared('memfd, its descriptor through stdio', memfd, async () => {
    await ended(spawn(process.execPath, [import.meta.filename, 'fd'], { stdio: ['inherit', 'inherit', 'inherit', memfd.fd] }))
  })

  // System V: an identifier is a number; the segment goes with its last user.
  const sysv = SysvSegment.create(IPC_PRIVATE, { size: 4096, removeOnLastDetach: true })
  await shared('System V, its identifier as an argument', sysv, async () => {
    await ended(spawn(process.execPath, [import.meta.filename, 'id', String(sysv.id)], { stdio: 'inherit' }))
  })

  // POSIX: a name, which may go as soon as the child has it open.
  const posix = PosixSegment.create(`/shmem-memory-to-child-${process.pid}`, { size: 4096 })
  await shared('POSIX, its name in the environment', posix, async () => {
    await ended(spawn(process.execPath, [import.meta.filename, 'name'], { stdio: 'inherit', env: { ...process.env, SEGMENT: posix.name } }))
  })
  posix.remove()

  // Whatever it is: its descriptor is JSON, for messages.
  const any = MemfdSegment.create('any', { size: 4096 })
  await shared('any segment, its descriptor in a message', any, async () => {
    const child = fork(import.meta.filename, ['message'])
    child.send(any.descriptor)
    await ended(child)
  })
}

async function shared(how: string, segment: Segment, start: () => Promise<void>): Promise<void> {
  segment.bytes.write('from the parent')
  await start()
  console.log(`${how}: "${textOf(segment)}"`)
  segment.close()
}

async function ended(child: ReturnType<typeof spawn>): Promise<void> {
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the child ended with ${code}`)
}

function answer(segment: Segment): void {
  if (textOf(segment) !== 'from the parent') throw new Error(`found "${textOf(segment)}"`)
  segment.bytes.write('and back by the child')
  segment.close()
}

function textOf({ bytes }: Segment): string {
  return bytes.toString('utf8', 0, bytes.indexOf(0))
}

const [how, id] = process.argv.slice(2)
if (how === undefined) await parent()
else if (how === 'fd') answer(MemfdSegment.fromFd(CHILD_FD))
else if (how === 'id') answer(SysvSegment.attach(Number(id)))
else if (how === 'name') answer(PosixSegment.open(process.env['SEGMENT'] ?? ''))
else {
  // Without a listener the channel keeps nobody alive.
  process.once('message', message => answer(openDescriptor(message as Descriptor)))
}
