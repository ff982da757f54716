/**
 * The programs of `examples/`, each run as its first lines say, as this user and as nobody: what it prints, and that it leaves
 * nothing in `ipcs`, /dev/shm or the folder for temporary files. Those with tests of their own are in 41 to 44, and 83.
 */
import test, { type ExecutionContext } from 'ava'
import { readFileSync, readdirSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openRoom, type Room } from './support/example-room.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { skip } from './support/skip.js'

type Test = ExecutionContext<unknown>

const root = fileURLToPath(new URL('../../', import.meta.url))
const isRoot = process.getuid?.() === 0
/** Why nothing can be run as nobody here, or nothing. */
const whyAlone = whyNotOther()

/** What each prints, with keys as `0x…`; `{owner|root}` is the one word for ordinary users, the other for root. */
const printed: Record<string, string> = {
  'sysv-greeting': `
writer: the key is 0x…
writer: created 100 bytes, attached 1 time(s)
reader: opened 100 bytes, attached 2 time(s)
reader: the segment says "Hello from the writer"
writer: the segment says "Hello back from the reader"
writer: removed; opening it again is ENOENT`,
  'three-ways-to-open': `
the key is 0x…
nobody made it yet
  open: ENOENT
made by create
  create: EEXIST
  open: found 1000 bytes
  openOrCreate with 1000 bytes: found 1000 bytes
  openOrCreate with 500 bytes: found 1000 bytes
  openOrCreate with 2000 bytes: EINVAL
in a second process
  create: EEXIST
  openOrCreate with 1000 bytes: found 1000 bytes
its mode is 0600: the owner may read and write
after set(): 0440: the owner and the group may read
  open for reading: found 1000 bytes
  open for writing: {EACCES|found 1000 bytes}
removed
  open: ENOENT
  openOrCreate with 500 bytes: made 500 bytes`,
  'sysv-attach-twice': `
created: attached 1 time(s)
attached again, read-only: attached 2 time(s)
read there: "written here"
writing there: ERR_SHM_READ_ONLY
the second one closed: attached 1 time(s)
shmat with SHM_RND: attached 2 time(s)
asked for an address 1234 bytes above a multiple of SHMLBA, got one 0 above
read through it: "written here"
a second shmdt: EINVAL; a view over it has 0 bytes
all closed: the segment is gone, attaching is EINVAL`,
  'sysv-remove-early': `
first: created: attached 1 time(s), marked for removal: false
first: removed: attached 1 time(s), marked for removal: true
first: opening by key is ENOENT
second: attached by identifier: attached 2 time(s), marked for removal: true
first: the second has gone: attached 1 time(s), marked for removal: true
first: it wrote "still here, and shared"
first: detached; attaching by identifier is EINVAL`,
  'lock-in-ram': `
created: SHM_LOCKED is false, 0 of 8 pages are in RAM
locked: SHM_LOCKED is true, 0 of 8 pages are in RAM
touched: SHM_LOCKED is true, 8 of 8 pages are in RAM
unlocked: SHM_LOCKED is false, 8 of 8 pages are in RAM`,
  'posix-parts': `
first: the whole object is 12288 bytes, and keeps 0 descriptors open
second: mapped 4096 bytes at offset 4096: "page two"
second: the read-only mapping shows "PAGE TWO"
second: writing to it is ERR_SHM_READ_ONLY
first: in the whole it reads "PAGE TWO"
first: protected: reading it is possible
first: restored and written: "page 2.0"
first: protected and written all the same: ERR_SHM_READ_ONLY, and the object says "page 2.0"`,
  'posix-hole': `
left of the hole: "page 0", right of it: "page 2"
after a write into the hole: ERR_SHM_HOLE
the rest goes on: "PAGE 0" and "PAGE 2"
through another mapping: "PAGE 0", "page 1", "PAGE 2"
bad touches counted: 1`,
  'file-shared-and-private': `
second: in the shared mapping: "first was here."
first: in the shared mapping: "first was here. So was second."
first: flushed: from now on it would outlive a power cut
first: in the private mapping: "NOBODYwas here. So was second."
first: the shared mapping still says "first was here. So was second."
first: the file says "first was here. So was second."
first: anonymous: 1048576 bytes, the first is 0, the last is 42
first: unmapped: the view has 0 bytes`
}

/** Each has a test file of its own, which names it. */
const elsewhere = [
  'broadcast', 'clean-up', 'cluster-cache', 'counter', 'false-sharing', 'hand-over', 'latest', 'linked-list', 'list', 'list-with-header', 'memory-to-child', 'messages',
  'named-semaphore', 'placement', 'ring', 'robust-mutex',
  'semaphore-pipe', 'taking-turns',
  'three-ways-to-update'
]

test.serial('every example has a test, and every test an example', t => {
  t.deepEqual(examples(), [...Object.keys(printed), ...elsewhere].toSorted())
  const folder = join(root, '__test__')
  const others = readdirSync(folder).filter(name => name.endsWith('.test.ts') && !name.startsWith('40.'))
  const texts = others.map(name => readFileSync(join(folder, name), 'utf8'))
  for (const name of elsewhere) t.true(texts.some(text => text.includes(`examples/${name}`)), `no other test file names examples/${name}`)
})

test.serial('examples/README.md lists every example', t => {
  const readme = readFileSync(join(root, 'examples/README.md'), 'utf8')
  for (const name of examples()) t.true(readme.includes(`(${name}.ts)`), `${name} is missing`)
})

for (const [name, expected] of Object.entries(printed)) {
  test.serial(`${name} prints what it did and leaves nothing`, async t => {
    const room = await openRoom(t)
    await runs(t, room, [], name, asPrinted(expected, isRoot))
    leftNothing(t, room)
  })

  test.serial(`${name} does the same for nobody`, async t => {
    if (whyAlone !== undefined) return skip(t, whyAlone)
    const room = await openRoom(t)
    await runs(t, room, ['prlimit', '--memlock=65536:65536', ...asOther()], name, asPrinted(expected, false))
    leftNothing(t, room)
  })
}

for (const [limit, code] of [[4096, 'ENOMEM'], [0, 'EPERM']] as const) {
  test.serial(`lock-in-ram tells nobody with RLIMIT_MEMLOCK ${limit} what to do about ${code}`, async t => {
    if (whyAlone !== undefined) return skip(t, whyAlone)
    const room = await openRoom(t)
    const { code: ended, stdout } = await room.run(['prlimit', `--memlock=${limit}:${limit}`, ...asOther(), ...program('lock-in-ram')])
    t.is(ended, 0)
    const [first, second, third, ...more] = stdout.trimEnd().split('\n').slice(1)
    t.is(first, `not locked: ${code}`)
    t.regex(second ?? '', /^what to do: .*RLIMIT_MEMLOCK.*CAP_IPC_LOCK/u)
    t.is(third, 'still usable: SHM_LOCKED is false, 0 of 8 pages are in RAM')
    t.deepEqual(more, [])
    leftNothing(t, room)
  })
}

function program(name: string): string[] {
  return [process.execPath, join(root, 'dist/examples', `${name}.js`)]
}

function asPrinted(expected: string, forRoot: boolean): string[] {
  return expected.trimStart().replace(/\{(.*?)\|(.*?)\}/gu, forRoot ? '$2' : '$1').split('\n')
}

async function runs(t: Test, room: Room, prefix: string[], name: string, expected: string[]): Promise<void> {
  const { code, stdout, stderr } = await room.run([...prefix, ...program(name)])
  t.is(stderr, '')
  t.deepEqual(stdout.trimEnd().replaceAll(/0x[0-9a-f]+/gu, '0x…').split('\n'), expected)
  t.is(code, 0)
}

function leftNothing(t: Test, room: Room): void {
  if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
  else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
}

function examples(): string[] {
  const files = readdirSync(join(root, 'examples')).filter(name => ['.ts', '.c'].includes(extname(name)))
  return [...new Set(files.map(name => basename(name, extname(name))))].toSorted()
}
