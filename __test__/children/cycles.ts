/**
 * Runs one way of making and ending segments many times and prints, as JSON, what this process and the machine hold before and
 * after. Some thousand rounds before the first look fill what is bounded: the quarantine of closed ranges, V8's heap.
 *
 * Usage: node --expose-gc cycles.js <way> <rounds> <folder>
 */
import { readFileSync, readdirSync } from 'node:fs'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, SysvSegment } from 'shmem'
import * as posix from 'shmem/posix'
import * as sysv from 'shmem/sysv'

const [way = '', rounds = '0', folder = ''] = process.argv.slice(2)
const WARM_UP = 9_500
const SIZE = 65_536
const name = `/shmem-test-${process.pid}`
const shared = PosixSegment.create(`${name}-shared`, { size: SIZE })

const ways: Record<string, (round: number) => void> = {
  posix(round) {
    const made = PosixSegment.create(name, { size: SIZE })
    using opened = PosixSegment.open(name)
    opened.bytes[round % SIZE] = 1
    made.close()
    made.remove()
  },
  sysv(round) {
    using made = SysvSegment.create(IPC_PRIVATE, { size: SIZE })
    using opened = SysvSegment.attach(made.id)
    opened.bytes[round % SIZE] = 1
    made.remove()
  },
  memfd(round) {
    using made = MemfdSegment.create('cycle', { size: SIZE })
    using opened = MemfdSegment.fromFd(made.fd)
    opened.bytes[round % SIZE] = 1
  },
  file(round) {
    const made = FileSegment.create(`${folder}/cycle`, { size: SIZE, reserve: false })
    made.bytes[round % SIZE] = 1
    made.close()
    made.remove()
  },
  'without a view'() {
    PosixSegment.open(shared.name).close()
  },
  'without the guard'(round) {
    using opened = PosixSegment.open(shared.name, { guard: false })
    opened.bytes[round % SIZE] = 1
  },
  resize(round) {
    shared.resize(SIZE + (round % 4) * 4096)
    shared.bytes[0] = 1
  },
  failures() {
    for (const act of [() => PosixSegment.open(`${name}-absent`), () => PosixSegment.create(shared.name, { size: 1 }), () => MemfdSegment.create('x', { size: 2 ** 44, length: 4096 })]) {
      try {
        act().close()
      } catch {
        continue
      }
      throw new Error('this should have failed')
    }
  },
  raw(round) {
    const mapping = posix.mmap(null, SIZE, posix.PROT_READ | posix.PROT_WRITE, posix.MAP_SHARED | posix.MAP_ANONYMOUS, -1, 0)
    new Uint8Array(mapping.buffer)[round % SIZE] = 1
    posix.munmap(mapping)
    const id = sysv.shmget(sysv.IPC_PRIVATE, SIZE, sysv.IPC_CREAT | 0o600)
    const attached = sysv.shmat(id)
    sysv.shmctl(id, sysv.IPC_RMID)
    sysv.shmdt(attached)
  }
}

await run(WARM_UP)
const before = await holdings()
await run(Number(rounds))
const after = await holdings()
shared.close()
shared.remove()
console.log(JSON.stringify({ before, after }))

async function run(times: number): Promise<void> {
  for (let round = 0; round < times; round += 1) {
    ways[way]?.(round)
    // What V8 holds of a closed segment (some 600 bytes) goes between turns of the event loop, not within one.
    if (round % 100 === 0) await new Promise(resolve => setImmediate(resolve))
  }
}

async function holdings() {
  // Counted before any collection: close() itself must have released everything.
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
  const segments = readFileSync('/proc/sysvipc/shm', 'utf8').split('\n').filter(line => Number(line.trim().split(/\s+/)[4]) === process.pid)
  const counts = {
    fds: readdirSync('/proc/self/fd').length,
    objectMaps: maps.filter(line => /SYSV|shmem-test|memfd:cycle|\/cycle/.test(line)).length,
    // Without writable anonymous memory: that is V8's heap and malloc's, which the resident bytes bound.
    maps: maps.filter(line => !/ rw-p 0+ 00:00 0\s*$/.test(line)).length,
    segments: segments.length,
    names: readdirSync('/dev/shm').filter(entry => entry.startsWith(name.slice(1))).length + readdirSync(folder).length
  }
  for (let turn = 0; turn < 5; turn += 1) {
    globalThis.gc?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  return { ...counts, residentBytes: process.memoryUsage.rss() }
}
