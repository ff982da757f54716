/**
 * The pairs of `examples/peers`: Node on one side, C, Python, Rust or Boost on the other, each run as its first lines say. What both print, in which order,
 * that nothing is left; and that `docs/peers.md` shows no other code than theirs.
 */
import test, { type ExecutionContext } from 'ava'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManagedSegment, array, f64, struct, u8 } from 'shmem'
import { ending, openRoom } from './support/example-room.js'
import { objectName } from './support/peer.js'
import { cargoExample, compiled, compiledWithBoost, python, pythonWith, root, running, type Found } from './support/peer-programs.js'
import { skip } from './support/skip.js'
import { until } from './support/until.js'

interface Pair {
  /** What both sides print. */
  prints: string
  /** Makes the other side's program; `folder` is for what it builds. */
  peer(folder: string): Found
}

/** By their paths under `examples/peers`. */
const pairs: Record<string, Pair> = {
  'c/robust-mutex': {
    prints: `
C: took 30 from the first account
Node: tryLock() is 'busy'
Node: C is killed, lockSync() is 'ownerDied', found 70 + 0
Node: took 30 from the first account
C: pthread_mutex_trylock is EBUSY
Node: the owner is killed
C: pthread_mutex_lock is EOWNERDEAD, found 40 + 30
Node: lockSync() is 'locked', found 40 + 60
`,
    peer: folder => compiled('cc', 'c/robust-mutex.c', folder)
  },
  'c/telemetry': {
    prints: `
C: "north" goes to 0, 10
Node: leg 1, 10 in all, rotors 1 1.5 2 2.5
C: "north-east" goes to 3, 4
Node: leg 2, 15 in all, rotors 2 2.5 3 3.5
C: "back" goes to -9, -12
Node: leg 3, 30 in all, rotors 3 3.5 4 4.5
Node: C ended with 0
`,
    peer(folder) {
      const header = spawnSync(process.execPath, [compiledPath('c/telemetry'), 'header'], { encoding: 'utf8' })
      writeFileSync(join(folder, 'telemetry.h'), header.stdout)
      return compiled('cc', 'c/telemetry.c', folder, ['-I', folder, '-lm'])
    }
  },
  'python/arrays': {
    prints: `
Python: 1000 samples in mm, mean 249.75
Node: the mean is 249.75 mm, the first one is -1 now
Node: by its name it is ENOENT; Python calls it leaked
Python: 1000 samples in mm, mean 249.75
Node: the mean is 249.75 mm, the first one is -1 now
Node: by its name it is there
Python: made 4096 bytes
Node: found 1 2 3 4 5 in 4096 bytes, mode 0600
Python: found 15.0
Node: by its name it is ENOENT
`,
    peer: () => running(python(), 'arrays.py')
  },
  'python/squares': {
    prints: `
Python: answered 1000 times
Node: the squares of 1 to 1000 are 333833500 together; Python ended with 0
`,
    peer: () => running(posixIpc(), 'squares.py')
  },
  'python/stock': {
    prints: `
Python: made a semaphore
Node: 200 in stock
Python: has the semaphore
Node: tryAcquire() is 'busy'
Node: Python is killed, acquire() is 'acquired'
`,
    peer: () => running(pythonWith('sysv_ipc', '1.2.0'), 'stock.py')
  },
  'rust/workshop': {
    prints: `
Rust: took 500 orders
Node: 500 squares in the map
Node: the total of both is 125750
Rust: has the mutex
Node: tryLock() is 'busy', its owner is in Rust
Node: Rust is killed, lock() is 'ownerDied', the total is half
`,
    peer: () => cargoExample('workshop')
  },
  'boost/ledger': {
    prints: `
Boost: 1000 entries in 4096 bytes
Node: 2000 entries, 750 in all
Boost: 1000 entries in 4096 bytes
Node: 2000 entries, 750 in all
`,
    peer: folder => compiledWithBoost('boost/ledger.cpp', folder)
  }
}

for (const [name, { prints, peer }] of Object.entries(pairs)) {
  test.serial(`${name}: both sides print what they did, and leave nothing`, async t => {
    const command = peer(temporary(t))
    if ('missing' in command) return skip(t, command.missing)
    const room = await openRoom(t)
    const { code, stdout, stderr } = await room.run([process.execPath, compiledPath(name), ...command])
    t.is(stderr, '')
    t.is(stdout, prints.trimStart())
    t.is(code, 0)
    if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
    else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
  })
}

test('each program of examples/peers is in a pair here', t => {
  const files = readdirSync(join(root, 'examples/peers'), { recursive: true, encoding: 'utf8' }).filter(file => /\.(ts|c|cpp|py)$/u.test(file))
  t.deepEqual([...new Set(files.map(file => file.replace(/\.\w+$/u, '')))].toSorted(), Object.keys(pairs).toSorted())
})

test('a pair whose other side is not there ends with an error, and leaves nothing', async t => {
  const room = await openRoom(t)
  await Promise.all(
    Object.keys(pairs).map(async name => {
      const { code, stderr } = await room.run([process.execPath, compiledPath(name), '/nowhere/a-program'])
      t.is(code, 1, name)
      t.regex(stderr, /spawn \/nowhere\/a-program ENOENT/u, name)
    })
  )
  if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
})

for (const name of ['c/robust-mutex', 'rust/workshop']) {
  test.serial(`${name}: the other side ends, too, when Node is killed`, async t => {
    const command = pairs[name]?.peer(temporary(t)) ?? { missing: name }
    if ('missing' in command) return skip(t, command.missing)
    const room = await openRoom(t)
    let signal: string | null = null
    // Where this process gets no time meanwhile, both have ended by themselves: then again.
    for (let runs = 0; runs < 20 && signal === null; runs += 1) {
      // No pipes: who outlives Node would hold them open.
      const node = room.start([process.execPath, compiledPath(name), ...command], 'ignore')
      t.teardown(() => processesOf(node.pid).forEach(pid => process.kill(Number(pid), 'SIGKILL')))
      const ended = ending(node)
      await until('the other side is there', () => node.exitCode !== null || processesOf(node.pid).length > 0)
      node.kill('SIGKILL')
      signal = (await ended).signal
      await until('it has ended', () => processesOf(node.pid).length === 0)
      // In a room that is shared with others it would stay.
      rmSync(`/dev/shm/shmem-peers-${name.split(/\W/u).at(-1)}-${node.pid}`, { force: true })
    }
    t.is(signal, 'SIGKILL')
  })
}

test('docs/peers.md shows no code of others but what stands in these programs', t => {
  const sources = [...walk('examples/peers'), ...walk('crate/core/examples')].map(path => lines(readFileSync(join(root, path), 'utf8')))
  const blocks = [...readFileSync(join(root, 'docs/peers.md'), 'utf8').matchAll(/^```(?:c|cpp|python|rust)\n([\s\S]*?)^```$/gmu)].map(([, code = '']) => lines(code))
  t.true(blocks.length >= 6)
  t.deepEqual(blocks.filter(block => !sources.some(source => source.includes(block))), [])
})

test('other options than the maker of a ring has are an error to Rust', t => {
  const command = cargoExample('workshop')
  if ('missing' in command) return skip(t, command.missing)
  const name = objectName(t).slice(1)
  using mem = ManagedSegment.create(name, { size: '1MiB' })
  mem.ring('orders', { slots: 128, slotBytes: 16 })
  const done = spawnSync(command[0] ?? '', ['work', name], { encoding: 'utf8' })
  t.regex(done.stderr, /^Rust: ERR_SHM_TYPE_MISMATCH /u)
  t.is(done.status, 1)
})

/** What Python prints, by claims of `docs/peers.md`. */
const claims: Record<string, { of?: () => Found; code: string; prints: string }> = {
  "Python's struct pads as C does with '@' only, and never at the end": {
    code: `
import struct
print(*map(struct.calcsize, ['@B2d', '<B2d', '@dB']))`,
    prints: `${struct({ flag: u8, pair: array(f64, 2) }).size} 17 9`
  },
  "the mode of Python's own objects is 0600, whatever the umask lets through": {
    code: `
import os
from multiprocessing.shared_memory import SharedMemory
os.umask(0)
memory = SharedMemory(create=True, size=1)
print(oct(os.stat('/dev/shm/' + memory.name).st_mode & 0o777))
memory.close()
memory.unlink()`,
    prints: '0o600'
  },
  'posix_ipc takes the umask off the mode': {
    of: posixIpc,
    code: `
import os, posix_ipc
os.umask(0o027)
memory = posix_ipc.SharedMemory(None, posix_ipc.O_CREX, mode=0o666, size=1)
print(oct(os.fstat(memory.fd).st_mode & 0o777))
memory.unlink()`,
    prints: '0o640'
  },
  "Python's SharedMemory does not close while a memoryview is alive": {
    code: `
from multiprocessing.shared_memory import SharedMemory
memory = SharedMemory(create=True, size=8)
view = memory.buf.cast('d')
try:
    memory.close()
except BufferError:
    print('BufferError')
view.release()
memory.close()
memory.unlink()`,
    prints: 'BufferError'
  }
}

for (const [claim, { of = python, code, prints }] of Object.entries(claims)) {
  // One after the other: of two that call pip at once, one would fail to put its folder there.
  test.serial(claim, t => {
    const command = of()
    if ('missing' in command) return skip(t, command.missing)
    const [first = '', ...words] = command
    const { stdout, stderr } = spawnSync(first, [...words, '-c', code], { encoding: 'utf8' })
    t.is(stderr, '')
    t.is(stdout.trimEnd(), prints)
  })
}

function posixIpc(): Found {
  return pythonWith('posix_ipc', '1.3.2')
}

/** Processes that were started with the name of what that process made. */
function processesOf(pid: number | undefined): string[] {
  const isName = new RegExp(`^/?shmem-peers-\\w+-${pid}$`, 'u')
  return readdirSync('/proc').filter(entry => /^\d+$/u.test(entry) && wordsOf(entry).some(word => isName.test(word)))
}

function wordsOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

function compiledPath(name: string): string {
  return join(root, 'dist/examples/peers', `${name}.js`)
}

function temporary(t: ExecutionContext<unknown>): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-peers-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(file => /\.\w+$/u.test(file)).map(file => join(folder, file))
}

/** As one text, without indentation. */
function lines(code: string): string {
  return code.split('\n').map(line => line.trim()).join('\n')
}
