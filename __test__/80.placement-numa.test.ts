/**
 * NUMA, on machines of one node and more: policies of every kind of segment, reports, raw calls, and what is said where the kernel or a
 * container's profile refuses.
 */
import test from 'ava'
import { readFileSync } from 'node:fs'
import { FileSegment, IPC_PRIVATE, MemfdSegment, PosixSegment, numaNodes, pageSizeBytes as PAGE, threadPlacement, type Segment } from 'shmem'
import * as c from 'shmem/posix'
import { compileText } from './support/c-program.js'
import { startChild } from './support/child.js'
import { answersWith, failsWith } from './support/failure.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { objectName, Peer, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'
import { newSegment } from './support/sysv-objects.js'

const SIZE = 16 * PAGE
const NO_NODE = 1023
const first = numaNodes()[0]?.node ?? 0

/** Why no placement can be had here, or nothing. */
function whyNotNuma(): string | undefined {
  try {
    threadPlacement()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

test('every kind of segment takes every policy, and reports it with the pages of each node', t => {
  const reason = whyNotNuma()
  if (reason !== undefined) return skip(t, reason)
  const kinds: Segment[] = [
    PosixSegment.create(objectName(t), { size: SIZE }), MemfdSegment.create('numa', { size: SIZE }),
    FileSegment.create(`${temporaryFolder(t)}/numa`, { size: SIZE }), newSegment(t, IPC_PRIVATE, { size: SIZE })
  ]
  for (const segment of kinds) {
    segment.bytes.fill(1, 0, 4 * PAGE)
    for (const policy of ['bind', 'interleave', 'preferred'] as const) {
      const report = segment.placement({ policy, nodes: [first], move: true })
      t.like(report, { policy, nodes: [first], residentPages: 4, absentPages: 12, pageSizeBytes: PAGE }, segment.kind)
      t.is(report.pages?.reduce((sum, each) => sum + each.bytes, 0), 4 * PAGE)
    }
    t.like(segment.placement({ policy: 'local' }), { policy: 'local', nodes: [] }, segment.kind)
    t.like(segment.placement({ policy: 'default' }), { policy: 'default', nodes: [] }, segment.kind)
    t.like(segment.placement({ offset: 3 * PAGE, length: 2 * PAGE }), { residentPages: 1, absentPages: 1 })
    segment.close()
  }
})

test('the option places before a page is touched, and moves what is reserved', t => {
  const reason = whyNotNuma()
  if (reason !== undefined) return skip(t, reason)
  using segment = MemfdSegment.create('placed', { size: SIZE, placement: { policy: 'bind', nodes: [first], strict: true }, prefault: true })
  t.deepEqual(segment.placement(), {
    policy: 'bind', nodes: [first], pages: [{ node: first, pages: 16, bytes: SIZE }], residentPages: 16, absentPages: 0, pageSizeBytes: PAGE
  })
})

test('a policy of a part is of that part', t => {
  const reason = whyNotNuma()
  if (reason !== undefined) return skip(t, reason)
  using segment = MemfdSegment.create('part', { size: SIZE })
  segment.placement({ policy: 'bind', nodes: [first], offset: 4 * PAGE, length: 4 * PAGE })
  t.deepEqual([0, 4, 7, 8].map(page => segment.placement({ offset: page * PAGE, length: PAGE }).policy), ['default', 'bind', 'bind', 'default'])
})

test('the policy of a POSIX object is seen by another process', async t => {
  const reason = whyNotNuma()
  if (reason !== undefined) return skip(t, reason)
  const name = objectName(t)
  using mine = PosixSegment.create(name, { size: SIZE })
  mine.placement({ policy: 'bind', nodes: [first] })
  const theirs = await new Peer(t).open('PosixSegment.open', name)
  t.like(await theirs.call<object>('placement'), { policy: 'bind', nodes: [first], residentPages: 0 })
})

test('a node that is not there is EINVAL with a hint, and changes nothing', t => {
  const reason = whyNotNuma()
  if (reason !== undefined) return skip(t, reason)
  using segment = MemfdSegment.create('nowhere', { size: SIZE })
  const refused = { code: 'EINVAL', hint: /numaNodes\(\)/u }
  failsWith(t, () => segment.placement({ policy: 'bind', nodes: [NO_NODE] }), { ...refused, syscall: 'mbind' })
  failsWith(t, () => threadPlacement({ policy: 'bind', nodes: [NO_NODE] }), { ...refused, syscall: 'set_mempolicy' })
  failsWith(t, () => MemfdSegment.create('born', { size: SIZE, placement: { policy: 'preferred', nodes: [NO_NODE] } }), { ...refused, syscall: 'mbind' })
  t.is(segment.placement().policy, 'default')
})

test.serial('threadPlacement sets and tells the policy of this thread, which the kernel writes to numa_maps', t => {
  const reason = whyNotNuma()
  if (reason !== undefined) return skip(t, reason)
  t.teardown(() => threadPlacement({ policy: 'default' }))
  t.like(threadPlacement({ policy: 'bind', nodes: [first] }), { policy: 'bind', nodes: [first] })
  t.true(threadPlacement().allowedNodes.includes(first))
  t.deepEqual(c.get_mempolicy(0), { mode: c.MPOL_BIND, nodes: [first] })
  t.regex(readFileSync('/proc/thread-self/numa_maps', 'utf8'), new RegExp(`bind:${first}`, 'u'))
  t.like(threadPlacement({ policy: 'local' }), { policy: 'local' })
  t.like(threadPlacement({ policy: 'default' }), { policy: 'default', nodes: [] })
})

test('numaNodes agrees with sysfs', t => {
  const nodes = numaNodes()
  t.true(nodes.length > 0)
  for (const { node, cpus, totalBytes, freeBytes, hugePages } of nodes) {
    t.true(totalBytes > 0 && freeBytes > 0 && freeBytes <= totalBytes)
    t.true(cpus.every(Number.isInteger))
    t.true(hugePages.every(({ total, free }) => free <= total), `node ${node}`)
  }
  t.is(nodes.reduce((sum, node) => sum + node.cpus.length, 0), (readFileSync('/proc/cpuinfo', 'utf8').match(/^processor/gmu) ?? []).length)
})

test('the raw calls do what their man pages say', t => {
  const reason = whyNotNuma()
  if (reason !== undefined) return skip(t, reason)
  const mapping = c.mmap(null, SIZE, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED | c.MAP_ANONYMOUS, -1)
  new Uint8Array(mapping.buffer)[0] = 1
  c.mbind(mapping, 0, SIZE, c.MPOL_BIND, [first], c.MPOL_MF_MOVE | c.MPOL_MF_STRICT)
  t.deepEqual(c.get_mempolicy(0, mapping, PAGE), { mode: c.MPOL_BIND, nodes: [first] })
  t.is(c.get_mempolicy(c.MPOL_F_NODE, mapping).mode, first)
  c.mbind(mapping, 0, SIZE, c.MPOL_DEFAULT, [], 0)
  t.deepEqual(c.get_mempolicy(0, mapping), { mode: c.MPOL_DEFAULT, nodes: [] })
  t.deepEqual([...c.move_pages(mapping, [0, 5 * PAGE], null, 0)], [first, -2])
  t.deepEqual([...c.move_pages(mapping, [10], [first], c.MPOL_MF_MOVE)], [first])
  t.deepEqual(c.get_mempolicy(c.MPOL_F_MEMS_ALLOWED).nodes.includes(first), true)
  failsWith(t, () => c.mbind(mapping, 0, PAGE, c.MPOL_BIND, [], 0), { code: 'EINVAL', syscall: 'mbind' })
  failsWith(t, () => c.mbind(mapping, 0, PAGE, 99, [first], 0), { code: 'EINVAL', syscall: 'mbind' })
  failsWith(t, () => c.get_mempolicy(c.MPOL_F_ADDR), { code: 'EINVAL', syscall: 'get_mempolicy' })
  failsWith(t, () => c.set_mempolicy(c.MPOL_BIND, [NO_NODE]), { code: 'EINVAL', syscall: 'set_mempolicy' })
  for (const offset of [SIZE, 2 ** 52]) {
    t.throws(() => c.move_pages(mapping, [offset], null, 0), { any: true, code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => c.mbind(mapping, offset, PAGE, c.MPOL_DEFAULT, [], 0), { any: true, code: 'ERR_OUT_OF_RANGE' })
    t.throws(() => c.get_mempolicy(0, mapping, offset), { any: true, code: 'ERR_OUT_OF_RANGE' })
  }
  c.munmap(mapping)
  for (const call of [() => c.mbind(mapping, 0, PAGE, 0, [], 0), () => c.get_mempolicy(0, mapping), () => c.move_pages(mapping, [0], null, 0)]) {
    t.throws(call, { code: 'EINVAL' })
  }
})

test('as nobody placement works; MPOL_MF_MOVE_ALL is EPERM with a hint', async t => {
  const reason = whyNotNuma() ?? whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const child = startChild(t, 'caller', { prefix: asOther() })
  await child.ask('call', ['MemfdSegment.create', ['theirs', { size: SIZE, prefault: true }], 'mine'])
  t.like(await child.ask('call', ['mine.placement', [{ policy: 'bind', nodes: [first], move: true }]]), { policy: 'bind', residentPages: 16 })
  t.like(await child.ask('call', ['threadPlacement', [{ policy: 'preferred', nodes: [first] }]]), { policy: 'preferred' })
  await child.ask('call', ['posix.mmap', [null, SIZE, c.PROT_READ | c.PROT_WRITE, c.MAP_SHARED | c.MAP_ANONYMOUS, -1], 'raw'])
  const all = child.ask('call', ['posix.mbind', ['$raw', 0, SIZE, c.MPOL_BIND, [first], c.MPOL_MF_MOVE_ALL]])
  await answersWith(t, all, { code: 'EPERM', syscall: 'mbind', hint: /CAP_SYS_NICE/u })
})

/** Runs the command behind it where the NUMA calls fail with this errno, as under a container's profile. */
const FORBIDDING = String.raw`
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (argc < 3) return 77;
  unsigned answer = SECCOMP_RET_ERRNO | atoi(argv[1]);
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 4, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_set_mempolicy, 3, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_get_mempolicy, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_move_pages, 1, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, answer),
  };
  struct sock_fprog program = { sizeof code / sizeof *code, code };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 77;
  return execvp(argv[2], argv + 2);
}
`

for (const [code, errno, hint] of [['EPERM', 1, /cap-add SYS_NICE/u], ['ENOSYS', 38, /CONFIG_NUMA/u]] as const) {
  test(`where the calls answer ${code}, placement is ERR_SHM_UNSUPPORTED with the reason, and all else works`, async t => {
    const program = compileText(t, FORBIDDING)
    if (program === undefined) return
    const child = startChild(t, 'caller', { prefix: [program, String(errno)] })
    await child.ask('call', ['MemfdSegment.create', ['mine', { size: SIZE, prefault: true }], 'mine'])
    const unsupported = { code: 'ERR_SHM_UNSUPPORTED', hint }
    await answersWith(t, child.ask('call', ['mine.placement']), { ...unsupported, syscall: 'get_mempolicy' })
    await answersWith(t, child.ask('call', ['mine.placement', [{ policy: 'local' }]]), { ...unsupported, syscall: 'mbind' })
    await answersWith(t, child.ask('call', ['threadPlacement', [{ policy: 'local' }]]), { ...unsupported, syscall: 'set_mempolicy' })
    const born = child.ask('call', ['MemfdSegment.create', ['born', { size: SIZE, placement: { policy: 'local' } }]])
    await answersWith(t, born, { ...unsupported, syscall: 'mbind' })
    await answersWith(t, child.ask('call', ['posix.set_mempolicy', [0, []]]), { code, syscall: 'set_mempolicy', hint })
    t.true((await child.ask('call', ['numaNodes'])).length > 0)
    t.is((await child.ask('call', ['mine.stat', [{ pages: true }]])).pages.residentBytes, SIZE)
  })
}
