/**
 * The examples about structures, `examples/cluster-cache`, `examples/three-ways-to-update` and `examples/false-sharing`: what each prints, as this user and as nobody, and that none
 * leaves anything behind.
 */
import test, { type ExecutionContext } from 'ava'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openRoom, type Ended, type Room } from './support/example-room.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { skip } from './support/skip.js'

type Test = ExecutionContext<unknown>

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Why nothing can be run as nobody here, or nothing. */
const whyAlone = whyNotOther()

/** What each prints. */
const printed: Record<string, RegExp> = {
  'cluster-cache': asWritten(`
the first request for a page: from a computation
12 requests for it: 12 from the cache, answered by 3 workers
a worker is killed in the middle of filling the cache
12 requests for it: 12 from the cache, answered by 2 workers
a page that nobody asked for yet: from a computation, then from the cache
what the dead one left: over a hundred pages whole, 0 torn
`),
  'three-ways-to-update': /^without any care: [1-9]\d* of 30000 quotes were seen, and [1-9]\d* reads were torn\n(?:(?:version-numbered record|double buffer|swap of an offset): [1-9]\d* of 30000 quotes were seen, none of them torn\n){3}$/u,
  'false-sharing': /^in one cache line: 2000000 and 2000000 additions, 2000000 each were asked for\nin lines of their own: 2000000 and 2000000 additions, 2000000 each were asked for\nin one cache line they take \d+\.\d times as long\n$/u
}

for (const [name, expected] of Object.entries(printed)) {
  test.serial(`${name} prints what it did and leaves nothing`, async t => {
    const room = await openRoom(t)
    printsAll(t, await room.run(program(name)), expected)
    leftNothing(t, room)
  })

  test.serial(`${name} does the same for nobody`, async t => {
    if (whyAlone !== undefined) return skip(t, whyAlone)
    const room = await openRoom(t)
    printsAll(t, await room.run([...asOther(), ...program(name)]), expected)
    leftNothing(t, room)
  })
}

function printsAll(t: Test, { code, stdout, stderr }: Ended, expected: RegExp): void {
  t.is(stderr, '')
  t.regex(stdout, expected)
  t.is(code, 0)
}

/** A pattern for exactly this text. */
function asWritten(text: string): RegExp {
  return new RegExp(`^${text.trimStart().replaceAll(/[$()*+.?[\\\]^{|}]/gu, '\\$&')}$`, 'u')
}

function program(name: string): string[] {
  return [process.execPath, join(root, 'dist/examples', `${name}.js`)]
}

function leftNothing(t: Test, room: Room): void {
  if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
  else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
}
