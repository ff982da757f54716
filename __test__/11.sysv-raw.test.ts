/**
 * The raw System V calls of `shmem/sysv`: ftok, shmget, shmat, shmdt, shmctl with C's semantics, compared with C and with what the
 * kernel shows in /proc. Two processes and the classes are in `10.sysv-segment.test.ts`.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { ftok as classFtok } from 'shmem'
import {
  IPC_CREAT, IPC_EXCL, IPC_INFO, IPC_PRIVATE, IPC_RMID, IPC_SET, IPC_STAT, SHMLBA, SHM_DEST, SHM_EXEC, SHM_HUGETLB, SHM_HUGE_1GB,
  SHM_HUGE_2MB, SHM_INFO, SHM_LOCK, SHM_LOCKED, SHM_NORESERVE, SHM_RDONLY, SHM_REMAP, SHM_RND, SHM_STAT, SHM_STAT_ANY, SHM_UNLOCK,
  ftok, shmat, shmctl, shmdt, shmget, type shm_info, type shmid_ds, type shminfo
} from 'shmem/sysv'
import { compileC, runC } from './support/c-program.js'
import { startChild } from './support/child.js'
import { answersWith, failsWith, refuses } from './support/failure.js'
import { hugePagePool } from './support/huge-pages.js'
import { asOther, privately, whyNotOther, whyNotPrivate } from './support/namespace.js'
import { skip } from './support/skip.js'
import { segmentExists, segmentId, uniqueKey } from './support/sysv-objects.js'

/** Nothing is mapped there in a process of this size. */
const FREE_ADDRESS = 0x2000_0000_0000n

test('ftok is bit-exact with C, for files, folders, devices and every kind of project id', t => {
  const program = compileC(t, 'sysv-peer')
  if (program === undefined) return
  const folder = newFolder(t)
  writeFileSync(join(folder, 'grüße'), '')
  const paths = ['/', '/tmp', '/dev/null', '/dev/shm', '/proc/self/../1', process.execPath, folder, join(folder, 'grüße')]
  for (const project of [0, 1, 65, 127, 128, 255, 256, 257, 65_537, 2 ** 31 - 1, -1, -256, -(2 ** 31)]) {
    const fromC = runC(program, ['ftok', project, ...paths]).toString().trim().split('\n').map(Number)
    t.deepEqual(paths.map(path => ftok(path, project)), fromC, `project id ${project}`)
  }
})

test('the class helper makes the same keys, takes one character, and refuses project ids that C would lose', t => {
  const path = process.execPath
  for (const project of [1, 65, 255]) t.is(classFtok(path, project), ftok(path, project))
  t.is(classFtok(path, 'A'), ftok(path, 65))
  for (const project of [0, 256, -1, 1.5, '', 'AB', 'ä', '\0']) refuses(t, () => classFtok(path, project), 'projectId', `project id ${project}`)
})

test('ftok of a path that is not there is ENOENT, behind a file ENOTDIR, behind a closed folder EACCES', async t => {
  const folder = newFolder(t)
  const paths: [string, string][] = [[join(folder, 'missing'), 'ENOENT'], [join(process.execPath, 'x'), 'ENOTDIR']]
  for (const [path, code] of paths) {
    for (const call of [ftok, classFtok]) failsWith(t, () => call(path, 1), { code, syscall: 'ftok', path })
  }
  mkdirSync(join(folder, 'closed'))
  chmodSync(join(folder, 'closed'), 0o700)
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  const there = startChild(t, 'caller', { prefix: asOther() })
  const path = join(folder, 'closed', 'file')
  await answersWith(t, there.ask('call', ['sysv.ftok', [path, 1]]), { code: 'EACCES', syscall: 'ftok', path })
})

test('shmget makes, finds and refuses as its flags say', t => {
  const key = uniqueKey()
  failsWith(t, () => shmget(key, 0, 0), { code: 'ENOENT', syscall: 'shmget', key, hint: /IPC namespace/u })
  const id = segmentId(t, shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0o600))
  failsWith(t, () => shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0o600), { code: 'EEXIST', syscall: 'shmget', key })
  t.is(shmget(key, 0, 0), id)
  t.is(shmget(key, 5000, IPC_CREAT | 0o600), id)
  t.is(shmget(key, '1KiB', 0o600), id)
  failsWith(t, () => shmget(key, 5001, 0), { code: 'EINVAL', syscall: 'shmget', key, hint: /no larger than an existing/u })
  failsWith(t, () => shmget(IPC_PRIVATE, 0, IPC_CREAT | 0o600), { code: 'EINVAL', syscall: 'shmget', key: 0, hint: /from 1 to SHMMAX/u })
  const first = segmentId(t, shmget(IPC_PRIVATE, 1n, 0o600))
  const second = segmentId(t, shmget(IPC_PRIVATE, 1, 0o600))
  t.not(first, second)
})

test('SHM_NORESERVE and negative keys are taken', t => {
  const key = -uniqueKey()
  const id = segmentId(t, shmget(key, 4096, IPC_CREAT | IPC_EXCL | SHM_NORESERVE | 0o600))
  t.is(shmctl(id, IPC_STAT).shm_perm.key, key)
})

test('SHM_HUGETLB takes pages of the size in the flags from the pool', async t => {
  const missing = await hugePagePool(t, 1)
  if (missing !== undefined) return skip(t, missing)
  const id = segmentId(t, shmget(IPC_PRIVATE, 2 ** 21, IPC_CREAT | SHM_HUGETLB | SHM_HUGE_2MB | 0o600))
  const mapping = shmat(id)
  t.is(Number(mapping.address % 2n ** 21n), 0)
  const last = new Uint8Array(mapping.buffer, 2 ** 21 - 1, 1)
  last[0] = 7
  t.is(last[0], 7)
  shmdt(mapping)
  t.is(last.length, 0)
  const gibibyte = (): number => shmget(IPC_PRIVATE, 2 ** 30, IPC_CREAT | SHM_HUGETLB | SHM_HUGE_1GB | 0o600)
  const error = t.throws(gibibyte, { any: true }) as { code?: string; syscall?: string } | undefined
  t.true(['ENOMEM', 'EINVAL', 'ENOENT'].includes(error?.code ?? ''), String(error))
})

test('IPC_STAT has every field of shmid_ds', async t => {
  const key = uniqueKey()
  const id = segmentId(t, shmget(key, 5000, IPC_CREAT | 0o640))
  const fresh = shmctl(id, IPC_STAT)
  t.deepEqual(fresh, {
    shm_perm: {
      key, uid: process.geteuid?.() ?? -1, gid: process.getegid?.() ?? -1, cuid: process.geteuid?.() ?? -1, cgid: process.getegid?.() ?? -1,
      mode: 0o640, seq: fresh.shm_perm.seq
    },
    shm_segsz: 5000, shm_atime: 0, shm_dtime: 0, shm_ctime: fresh.shm_ctime, shm_cpid: process.pid, shm_lpid: 0, shm_nattch: 0
  })
  t.is(id >> 15, fresh.shm_perm.seq)
  // Attached elsewhere: a fork of this process for another test would be the last user here.
  const there = startChild(t, 'caller')
  await there.ask('call', ['sysv.shmat', [id], 'mapping'])
  const attached = shmctl(id, IPC_STAT)
  t.deepEqual([attached.shm_nattch, attached.shm_lpid, attached.shm_dtime], [1, there.pid, 0])
  t.true(attached.shm_atime >= fresh.shm_ctime)
  await there.ask('call', ['sysv.shmdt', ['$mapping']])
  const detached = shmctl(id, IPC_STAT)
  t.deepEqual([detached.shm_nattch, detached.shm_lpid], [0, there.pid])
  t.true(detached.shm_dtime >= attached.shm_atime)
  t.deepEqual([detached.shm_perm, detached.shm_ctime], [fresh.shm_perm, fresh.shm_ctime])
})

test('IPC_SET sets uid, gid and mode', t => {
  const id = segmentId(t, shmget(IPC_PRIVATE, 1, 0o600))
  const { uid, gid } = shmctl(id, IPC_STAT).shm_perm
  shmctl(id, IPC_SET, { uid, gid, mode: 0o444 })
  t.is(shmctl(id, IPC_STAT).shm_perm.mode, 0o444)
  if (process.getuid?.() !== 0) return skip(t, 'giving a segment away needs root')
  shmctl(id, IPC_SET, { uid: 12, gid: 34, mode: 0o600 })
  t.like(shmctl(id, IPC_STAT).shm_perm, { uid: 12, gid: 34, mode: 0o600, cuid: uid, cgid: gid })
})

test('SHM_LOCK and SHM_UNLOCK set and clear SHM_LOCKED, IPC_RMID of an attached one sets SHM_DEST', t => {
  const id = segmentId(t, shmget(uniqueKey(), 1, IPC_CREAT | 0o600))
  const mode = (): number => shmctl(id, IPC_STAT).shm_perm.mode
  shmctl(id, SHM_LOCK)
  t.is(mode(), SHM_LOCKED | 0o600)
  shmctl(id, SHM_UNLOCK)
  t.is(mode(), 0o600)
  const mapping = shmat(id)
  shmctl(id, IPC_RMID)
  t.is(mode(), SHM_DEST | 0o600)
  t.is(shmctl(id, IPC_STAT).shm_perm.key, 0)
  const second = shmat(id)
  shmdt(mapping)
  t.true(segmentExists(id))
  shmdt(second)
  failsWith(t, () => shmctl(id, IPC_STAT), { code: 'EINVAL', syscall: 'shmctl', id, hint: /no such identifier/u })
  failsWith(t, () => shmat(id), { code: 'EINVAL', syscall: 'shmat', id, hint: /no such identifier/u })
})

test('a 100-byte segment has a 100-byte buffer, and several attaches share its bytes until each is detached', t => {
  const id = segmentId(t, shmget(IPC_PRIVATE, 100, 0o600))
  const mappings = [shmat(id), shmat(id), shmat(id)]
  const views = mappings.map(mapping => new Uint8Array(mapping.buffer))
  t.deepEqual(views.map(view => view.length), [100, 100, 100])
  t.is(new Set(mappings.map(mapping => mapping.address)).size, 3)
  for (const [index, mapping] of mappings.entries()) {
    const [view] = views as [Uint8Array]
    t.is(shmctl(id, IPC_STAT).shm_nattch, 3 - index)
    view[99] = index + 1
    t.deepEqual(views.map(other => other[99]), views.map(() => index + 1))
    shmdt(mapping)
    t.is(view.length, 0)
    views.shift()
  }
  t.is(shmctl(id, IPC_STAT).shm_nattch, 0)
})

test('shmdt empties the views, and a second shmdt is EINVAL', t => {
  const id = segmentId(t, shmget(IPC_PRIVATE, 4096, 0o600))
  const mapping = shmat(id)
  const view = new Uint8Array(mapping.buffer)
  shmdt(mapping)
  t.deepEqual([view.length, mapping.buffer.byteLength, mapping.closed], [0, 0, true])
  for (let time = 0; time < 2; time++) failsWith(t, () => shmdt(mapping), { code: 'EINVAL', syscall: 'shmdt' })
  t.is(shmctl(id, IPC_STAT).shm_nattch, 0)
})

test('SHM_RDONLY maps for reading: a write changes no shared byte and is reported', t => {
  const id = segmentId(t, shmget(IPC_PRIVATE, 4096, 0o600))
  const [writing, reading] = [shmat(id), shmat(id, null, SHM_RDONLY)]
  const [wide, narrow] = [new Uint8Array(writing.buffer), new Uint8Array(reading.buffer)]
  wide[5] = 42
  t.is(narrow[5], 42)
  t.is(mapped(reading.address).permissions, 'r--s')
  t.is(mapped(writing.address).permissions, 'rw-s')
  narrow[5] = 43
  t.is(wide[5], 42)
  failsWith(t, () => reading.buffer, { code: 'ERR_SHM_READ_ONLY' })
  shmdt(reading)
  shmdt(writing)
})

test('SHM_EXEC maps for execution too', t => {
  const id = segmentId(t, shmget(IPC_PRIVATE, 4096, 0o700))
  const mapping = shmat(id, null, SHM_EXEC)
  t.is(mapped(mapping.address).permissions, 'rwxs')
  shmdt(mapping)
})

test('an explicit address is where it goes; an uneven one needs SHM_RND, which rounds down to SHMLBA', t => {
  const id = segmentId(t, shmget(IPC_PRIVATE, 100, 0o600))
  const exact = shmat(id, FREE_ADDRESS)
  t.is(exact.address, FREE_ADDRESS)
  new Uint8Array(exact.buffer)[99] = 9
  failsWith(t, () => shmat(id, FREE_ADDRESS), { code: 'EINVAL', syscall: 'shmat', id })
  const uneven = FREE_ADDRESS + BigInt(16 * SHMLBA) + 123n
  failsWith(t, () => shmat(id, uneven), { code: 'EINVAL', syscall: 'shmat', id })
  const rounded = shmat(id, uneven, SHM_RND)
  t.is(rounded.address, uneven - 123n)
  t.is(new Uint8Array(rounded.buffer)[99], 9)
  shmdt(exact)
  t.is(new Uint8Array(rounded.buffer)[99], 9)
  shmdt(rounded)
  t.is(shmctl(id, IPC_STAT).shm_nattch, 0)
})

test('SHM_REMAP replaces inside a mapping of ours, and is ERR_SHM_NOT_OURS everywhere else', t => {
  const [under, over] = [1, 2].map(() => segmentId(t, shmget(IPC_PRIVATE, 4 * SHMLBA, 0o600))) as [number, number]
  const base = shmat(under)
  const bytes = new Uint8Array(base.buffer)
  bytes.fill(1)
  const foreign = [FREE_ADDRESS + 2n ** 30n, base.address - 2n ** 20n, base.address + BigInt(4 * SHMLBA), mapped(0n, '[stack]').start]
  for (const address of [...foreign, mapped(0n, '[heap]').start]) {
    failsWith(t, () => shmat(over, address, SHM_REMAP), { code: 'ERR_SHM_NOT_OURS', id: over })
  }
  failsWith(t, () => shmat(over, base.address + BigInt(SHMLBA), SHM_REMAP), { code: 'ERR_SHM_NOT_OURS', id: over })
  t.is(shmctl(over, IPC_STAT).shm_nattch, 0)
  const mapping = shmat(over, base.address + 5n, SHM_REMAP | SHM_RND)
  t.is(mapping.address, base.address)
  const inside = new Uint8Array(mapping.buffer)
  inside[0] = 2
  t.is(shmctl(over, IPC_STAT).shm_nattch, 1)
  const elsewhere = shmat(over)
  t.is(new Uint8Array(elsewhere.buffer)[0], 2)
  shmdt(mapping)
  shmdt(elsewhere)
  t.is(inside.length, 0)
  shmdt(base)
  t.deepEqual([under, over].map(id => shmctl(id, IPC_STAT).shm_nattch), [0, 0])
})

test('shmat without leave is EACCES, and shmctl of a bad command is refused', async t => {
  const id = segmentId(t, shmget(IPC_PRIVATE, 1, 0o400))
  refuses(t, () => shmctl(id, 9999), 'command', 'command 9999')
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  const key = uniqueKey()
  segmentId(t, shmget(key, 1, IPC_CREAT | 0o600))
  const there = startChild(t, 'caller', { prefix: asOther() })
  await answersWith(t, there.ask('call', ['sysv.shmget', [key, 0, 0o600]]), { code: 'EACCES', syscall: 'shmget', key, hint: /owner and mode/u })
  await answersWith(t, there.ask('call', ['sysv.shmat', [id]]), { code: 'EACCES', syscall: 'shmat', id, hint: /owner and mode/u })
  await answersWith(t, there.ask('call', ['sysv.shmctl', [id, IPC_RMID]]), { code: 'EPERM', syscall: 'shmctl', id })
  await answersWith(t, there.ask('call', ['sysv.shmctl', [id, IPC_SET, { uid: 1, gid: 1, mode: 0 }]]), { code: 'EPERM', syscall: 'shmctl', id })
  await answersWith(t, there.ask('call', ['sysv.shmctl', [id, SHM_LOCK]]), { code: 'EPERM', syscall: 'shmctl', id })
  await answersWith(t, there.ask('call', ['sysv.shmctl', [id, IPC_STAT]]), { code: 'EACCES', syscall: 'shmctl', id })
})

test('IPC_INFO says the limits of /proc/sys/kernel', async t => {
  const limit = (name: string): number => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'))
  const info = shmctl(0, IPC_INFO) as unknown as shminfo
  t.deepEqual([info.shmmax, info.shmmni, info.shmall, info.shmmin], [limit('shmmax'), limit('shmmni'), limit('shmall'), 1])
  const missing = whyNotPrivate()
  if (missing !== undefined) return skip(t, missing)
  const setup = 'cd /proc/sys/kernel; echo 123456 > shmmax; echo 77 > shmmni; echo 999 > shmall'
  const there = startChild(t, 'caller', { prefix: privately(setup) })
  t.like(await there.ask('call', ['sysv.shmctl', [0, IPC_INFO]]), { shmmax: 123_456, shmmni: 77, shmall: 999, shmmin: 1 })
})

test('SHM_INFO counts segments and pages, SHM_STAT and SHM_STAT_ANY find each by its index', async t => {
  const missing = whyNotPrivate()
  if (missing !== undefined) return skip(t, missing)
  const there = startChild(t, 'caller', { prefix: privately() })
  const info = async (): Promise<shm_info> => await there.ask('call', ['sysv.shmctl', [0, SHM_INFO]])
  t.like(await info(), { used_ids: 0, shm_tot: 0, shm_rss: 0, shm_swp: 0 })
  const ids: number[] = []
  for (const size of [100, 5000]) ids.push(await there.ask<number>('call', ['sysv.shmget', [IPC_PRIVATE, size, 0o600]]))
  t.like(await info(), { used_ids: 2, shm_tot: 3, shm_rss: 0, maxIndex: 1 })
  for (const command of [SHM_STAT, SHM_STAT_ANY]) {
    for (const [index, size] of [100, 5000].entries()) {
      const ds: shmid_ds & { id: number } = await there.ask('call', ['sysv.shmctl', [index, command]])
      t.deepEqual([ds.id, ds.shm_segsz, ds.shm_cpid], [ids[index], size, there.pid])
    }
    await answersWith(t, there.ask('call', ['sysv.shmctl', [2, command]]), { code: 'EINVAL', syscall: 'shmctl' })
  }
})

test('SHM_STAT_ANY needs no permission to read, SHM_STAT does', async t => {
  const missing = whyNotOther()
  if (missing !== undefined) return skip(t, missing)
  const id = segmentId(t, shmget(IPC_PRIVATE, 123, 0o600))
  const index = id & 0x7fff
  const there = startChild(t, 'caller', { prefix: asOther() })
  await answersWith(t, there.ask('call', ['sysv.shmctl', [index, SHM_STAT]]), { code: 'EACCES', syscall: 'shmctl' })
  t.like(await there.ask('call', ['sysv.shmctl', [index, SHM_STAT_ANY]]), { id, shm_segsz: 123, shm_cpid: process.pid })
})

function newFolder(t: ExecutionContext<unknown>): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-'))
  chmodSync(folder, 0o755)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The line of /proc/self/maps for an address or a name. */
function mapped(address: bigint, name?: string): { start: bigint; permissions: string } {
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const [, from, to, permissions = ''] = /^(\w+)-(\w+) (\S+)/u.exec(line) ?? []
    if (from === undefined) continue
    const start = BigInt(`0x${from}`)
    if (name === undefined ? start <= address && address < BigInt(`0x${to}`) : line.endsWith(name)) return { start, permissions }
  }
  throw new Error(`nothing is mapped at 0x${address.toString(16)} ${name ?? ''}`)
}
