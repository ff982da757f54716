/**
 * Huge pages and NUMA nodes: asked for, and obtained. Both depend on the machine, so a program asks, looks at what it got, and says so.
 *
 *     npm run build && node dist/examples/placement.js
 *     sudo sysctl vm.nr_hugepages=64          for a pool of huge pages; 0 gives it back
 *
 * Nothing is left behind: memfds and a System V segment that goes with its last user.
 */
import { IPC_PRIVATE, MemfdSegment, ShmError, SysvSegment, numaNodes, threadPlacement, type Segment } from 'shmem'

const MIB = 2 ** 20
const size = '16MiB'

console.log('huge pages')
show('required, memfd', () => MemfdSegment.create('frames', { size, hugePages: 'require' }))
show('preferred, memfd', () => MemfdSegment.create('frames', { size, hugePages: 'prefer', prefault: true }))
show('preferred, System V', () => SysvSegment.create(IPC_PRIVATE, { size, hugePages: 'prefer', prefault: true, removeOnLastDetach: true }))
show('not asked for', () => MemfdSegment.create('frames', { size, prefault: true }))

console.log('NUMA')
try {
  const nodes = threadPlacement().allowedNodes
  console.log(`  this thread may use ${nodes.length} of ${numaNodes().length} memory node(s)`)
  place('in turn on all of them', nodes)
  place('on a node that is not there', [1000])
} catch (error) {
  // A kernel without NUMA, or a container whose profile forbids to ask.
  if (!(error instanceof ShmError) || error.code !== 'ERR_SHM_UNSUPPORTED') throw error
  console.log(`  ${error.code}: ${error.hint ?? error.message}`)
}

/** What was asked is in `asked`; what was obtained is seen in the page tables, hence `pages: true`. */
function show(what: string, create: () => Segment): void {
  try {
    const segment = create()
    try {
      const { kind, pageSizeBytes, bytes } = segment.stat({ pages: true }).hugePages
      const obtained = { hugetlb: 'of the pool', transparent: 'transparent', none: 'no huge pages' }[kind]
      console.log(`  ${what}: ${obtained}${kind === 'none' ? '' : `, ${bytes / MIB} MiB in pages of ${pageSizeBytes / MIB} MiB`}`)
    } finally {
      segment.close()
    }
  } catch (error) {
    if (!(error instanceof ShmError)) throw error
    console.log(`  ${what}: ${error.code}. ${error.hint ?? ''}`)
  }
}

function place(what: string, nodes: number[]): void {
  try {
    using segment = MemfdSegment.create('rows', { size, placement: { policy: 'interleave', nodes }, prefault: true })
    const { policy, pages, pagesUnknown } = segment.placement()
    const where = pages?.map(({ node, bytes }) => `${bytes / MIB} MiB on node ${node}`).join(', ') ?? pagesUnknown?.message
    console.log(`  ${what}: ${policy}, ${where}`)
  } catch (error) {
    if (!(error instanceof ShmError) || error.code === 'ERR_SHM_UNSUPPORTED') throw error
    console.log(`  ${what}: ${error.code}`)
  }
}
