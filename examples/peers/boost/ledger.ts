/**
 * A ledger shared with Boost.Interprocess, first in a file, then in System V memory: C++ makes its `interprocess_mutex` in it, and both sides make entries
 * under it. The mutex is a process-shared pthread mutex, and not robust: if its owner is killed, it stays locked.
 *
 *     npm run build
 *     c++ -O2 -pthread -o ledger examples/peers/boost/ledger.cpp      # needs Boost's headers: libboost-dev in Debian
 *     node dist/examples/peers/boost/ledger.js ./ledger
 *
 * A run that is killed leaves shmem-peers-ledger-<its pid> in the folder for temporary files.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { FileSegment, IPC_PRIVATE, PthreadMutex, SysvSegment, type Segment } from 'shmem'

const COUNT = 1000
const [MADE, JOINED] = [1, 2] // States.
const [ENTRIES, SUM, MUTEX, SIZE] = [4, 8, 64, 4096] // Bytes.

const [command = '', ...words] = process.argv.slice(2)
if (command === '') throw new Error('usage: ledger <the C++ program>')
const path = join(tmpdir(), `shmem-peers-ledger-${process.pid}`)
const file = FileSegment.create(path, { size: SIZE })
try {
  await share('file', path, file)
} finally {
  file.remove()
  file.close()
}
const sysv = SysvSegment.create(IPC_PRIVATE, { size: SIZE, removeOnLastDetach: true })
try {
  await share('xsi', String(sysv.id), sysv)
} finally {
  sysv.close()
}

async function share(kind: 'file' | 'xsi', where: string, segment: Segment): Promise<void> {
  const state = new Uint32Array(segment.buffer, 0, 1)
  const entries = new Uint32Array(segment.buffer, ENTRIES, 1)
  const sum = new Float64Array(segment.buffer, SUM, 1)
  const boost = spawn(command, [...words, kind, where], { stdio: 'inherit' })
  const ended = once(boost, 'exit')
  while (Atomics.compareExchange(state, 0, MADE, JOINED) !== MADE) {
    if (await Promise.race([setTimeout(2, 'waiting'), ended]) !== 'waiting') throw new Error(`Boost ended with ${boost.exitCode}`)
  }
  const mutex = PthreadMutex.at(segment, MUTEX)
  for (let count = 0; count < COUNT; count += 1) {
    mutex.lockSync()
    entries[0] = (entries[0] ?? 0) + 1
    sum[0] = (sum[0] ?? 0) + 0.25
    mutex.unlock()
  }
  await ended
  console.log(`Node: ${entries[0]} entries, ${sum[0]} in all`)
}
