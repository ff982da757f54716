/**
 * The examples about structures: `examples/latest`, `examples/broadcast`: what each prints, as this user and as nobody, and
 * that none leaves anything behind.
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
const printed: Record<string, string> = {
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

function printsAll(t: Test, { code, stdout, stderr }: Ended, expected: string): void {
  t.is(stderr, '')
  t.is(stdout, expected.trimStart())
  t.is(code, 0)
}

function program(name: string): string[] {
  return [process.execPath, join(root, 'dist/examples', `${name}.js`)]
}

function leftNothing(t: Test, room: Room): void {
  if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
  else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
}
