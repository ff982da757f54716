/**
 * Placement where a container's profile lets a part of the calls through: what was set is reported, and what cannot be told is said to be
 * unknown, not thrown.
 */
import test, { type ExecutionContext } from 'ava'
import { numaNodes, pageSizeBytes as PAGE, threadPlacement, type PlacementReport } from 'shmem'
import { compileC } from './support/c-program.js'
import { startChild, type Child } from './support/child.js'
import { answersWith } from './support/failure.js'
import { skip } from './support/skip.js'

const SIZE = 4 * PAGE
const first = numaNodes()[0]?.node ?? 0
const NUMBERS = process.arch === 'x64' ? { get_mempolicy: 239, move_pages: 279 } : { get_mempolicy: 236, move_pages: 239 }

/** A child with a prefaulted memfd, `mine`, in which these calls are refused with EPERM; or nothing, and a reason is printed. */
async function childWithout(t: ExecutionContext<unknown>, ...calls: (keyof typeof NUMBERS)[]): Promise<Child | undefined> {
  try {
    threadPlacement()
  } catch (error) {
    skip(t, (error as Error).message)
    return undefined
  }
  const forbid = compileC(t, 'forbid')
  if (forbid === undefined) return undefined
  const child = startChild(t, 'caller', { prefix: [forbid, ...calls.map(call => String(NUMBERS[call])), '--'] })
  await child.ask('call', ['MemfdSegment.create', ['mine', { size: SIZE, prefault: true }], 'mine'])
  return child
}

test('where move_pages is refused, the policy is set and reported, and the pages are unknown, with the reason', async t => {
  const child = await childWithout(t, 'move_pages')
  if (child === undefined) return
  const place = (...options: object[]): Promise<PlacementReport> => child.ask('call', ['mine.placement', options])
  t.like(await place(), { policy: 'default', nodes: [] })
  const report = await place({ policy: 'bind', nodes: [first], move: true })
  t.like(report, { policy: 'bind', nodes: [first], pageSizeBytes: PAGE, pagesUnknown: { code: 'ERR_SHM_UNSUPPORTED', syscall: 'move_pages' } })
  t.regex(report.pagesUnknown?.hint ?? '', /--security-opt seccomp/u)
  t.deepEqual([report.pages, report.residentPages, report.absentPages], [undefined, undefined, undefined])
  t.like(await place(), { policy: 'bind', nodes: [first] })
  await t.throwsAsync(child.ask('call', ['mine.placement', [{ offset: PAGE, length: SIZE }]]), { code: 'ERR_OUT_OF_RANGE' })
})

test('where get_mempolicy is refused, what was set is reported, and nothing is told without a change', async t => {
  const child = await childWithout(t, 'get_mempolicy')
  if (child === undefined) return
  const set = await child.ask<PlacementReport>('call', ['mine.placement', [{ policy: 'bind', nodes: [first], move: true }]])
  t.like(set, { policy: 'bind', nodes: [first], residentPages: SIZE / PAGE, absentPages: 0 })
  await answersWith(t, child.ask('call', ['mine.placement']), { code: 'ERR_SHM_UNSUPPORTED', syscall: 'get_mempolicy' })
  const thread = await child.ask('call', ['threadPlacement', [{ policy: 'preferred', nodes: [first] }]])
  t.deepEqual(thread, { policy: 'preferred', nodes: [first], allowedNodes: threadPlacement().allowedNodes })
  await answersWith(t, child.ask('call', ['threadPlacement']), { code: 'ERR_SHM_UNSUPPORTED', syscall: 'get_mempolicy' })
})
