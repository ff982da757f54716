/**
 * The examples about the machine: what each prints, as this user and as nobody, and that none leaves anything behind. They are examples/clean-up and
 * examples/placement.
 */
import { testPrinted } from './support/printed-examples.js'

/** What each prints. */
const printed: Record<string, RegExp | string> = {
  'clean-up': `
while it runs: 0 orphans
it was killed: 3 orphans
  posix, 64 KiB: frames
  sysv, 128 KiB
  managed, 1024 KiB: orders
why: a managed segment whose members are all dead or gone: nobody maps it or has it open
its lock is left, too: ownerDied
while somebody has it open: inUse
cleaned: removed, removed, removed
once more: gone, gone, gone
now: 0 orphans, and what is in use is there: 64 KiB
`,
  // What is obtained is the machine's: pages of a pool or why not, transparent ones where it allows them, and nodes where the kernel knows any.
  placement: new RegExp(
    [
      '^huge pages',
      String.raw`  required, memfd: (?:of the pool, 16 MiB in pages of 2 MiB|ENOMEM\. .*nr_hugepages.*)`,
      ...['memfd', 'System V'].map(kind => String.raw`  preferred, ${kind}: (?:of the pool, 16 MiB in pages of 2 MiB|transparent, \d+ MiB in pages of 2 MiB|no huge pages)`),
      String.raw`  not asked for: (?:no huge pages|transparent, .*)`,
      'NUMA',
      String.raw`(?:  this thread may use \d+ of \d+ memory node\(s\)\n  in turn on all of them: interleave(?:, \d+ MiB on node \d+)+\n  on a node that is not there: EINVAL|  ERR_SHM_UNSUPPORTED: .*)\n$`
    ].join('\n'),
    'u'
  )
}

testPrinted(printed)
