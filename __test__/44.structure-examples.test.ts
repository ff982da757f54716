/**
 * The examples about structures: what each prints, as this user and as nobody, and that none leaves anything behind. They are
 * examples/cluster-cache, examples/three-ways-to-update, examples/false-sharing,
 * examples/linked-list, examples/list-with-header, examples/list, examples/ring, examples/latest, examples/broadcast; and examples/memory-to-child.
 */
import { testPrinted } from './support/printed-examples.js'

/** What each prints. */
const printed: Record<string, RegExp | string> = {
  'cluster-cache': `
the first request for a page: from a computation
12 requests for it: 12 from the cache, answered by 3 workers
a worker is killed in the middle of filling the cache
12 requests for it: 12 from the cache, answered by 2 workers
a page that nobody asked for yet: from a computation, then from the cache
what the dead one left: over a hundred pages whole, 0 torn
`,
  'memory-to-child': `
memfd, its descriptor through stdio: "and back by the child"
System V, its identifier as an argument: "and back by the child"
POSIX, its name in the environment: "and back by the child"
any segment, its descriptor in a message: "and back by the child"
`,
  'three-ways-to-update': /^without any care: [1-9]\d* of 30000 quotes were seen, and [1-9]\d* reads were torn\n(?:(?:version-numbered record|double buffer|swap of an offset): [1-9]\d* of 30000 quotes were seen, none of them torn\n){3}$/u,
  ring: /^first child: has message 77777 in its hands, 0 were out of order\nsecond child: began with message 77778, 0 were out of order, 200000 is the end\nparent: 200000 sent, 200000 received, 1 lost with the child that was killed, 1 end taken over\n$/u,
  'false-sharing': /^in one cache line: 2000000 and 2000000 additions, 2000000 each were asked for\nin lines of their own: 2000000 and 2000000 additions, 2000000 each were asked for\nin one cache line they take \d+\.\d times as long\n$/u,
  'linked-list': `
first: in (80) -> memory (144) -> no (16) -> pointers (48) -> shared (112)
second: the segment is at another address here
second: in (80) -> memory (144) -> no (16) -> pointers (48) -> shared (112)
first: in (80) -> memory (144) -> no (16) -> offsets (176) -> pointers (48) -> shared (112)
`,
  'list-with-header': `
first: an empty object: it is no list
first: 4 nodes: 1=1 (32) -> 2=4 (48) -> 3=9 (64) -> 4=16 (80)
first: 2 and 3 removed: 2 nodes: 1=1 (32) -> 4=16 (80)
second: 2 nodes: 1=1 (32) -> 4=16 (80)
second: appended 5, 6 and 7; the first two in the places of 3 and 2
first: 5 nodes: 1=1 (32) -> 4=16 (80) -> 5=25 (64) -> 6=36 (48) -> 7=49 (96), in 112 bytes
first: with another version: it is a list of version 1, and this program knows version 2
`,
  list: `
to do: sweep the floor, water the plants, feed the cat
the texts have 3 blocks of the heap
a worker was killed at its job; to do: sweep the floor, water the plants, feed the cat
worker: sweep the floor: done
worker: water the plants: done
worker: feed the cat: done
to do: nothing
blocks: 0, left in flight: 0
`,
  latest: `
before the first pose there is none: undefined
100 poses: 0 torn, 0 older than the one before
killed in the middle of a pose: next() is 'writerDied', and the newest pose is whole: true
the next publisher goes on with the next version: true
it ended: next() is 'ended'
`,
  broadcast: `
late: begins with price 1999, and has lost 0
diligent: lost none; received and lost make 2000
slow: lost some; received and lost make 2000
`
}

testPrinted(printed)
