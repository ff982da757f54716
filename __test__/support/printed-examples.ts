/**
 * Tests of examples that print always the same, or what a pattern describes: that they do, as this user and as nobody, and leave nothing behind. For those
 * that name the examples: 43 and 44.
 */
import test, { type ExecutionContext } from 'ava'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openRoom, type Ended, type Room } from './example-room.js'
import { asOther, whyNotOther } from './namespace.js'
import { skip } from './skip.js'

type Test = ExecutionContext<unknown>

const root = fileURLToPath(new URL('../../../', import.meta.url))
/** Why nothing can be run as nobody here, or nothing. */
const whyAlone = whyNotOther()

/** Two tests for each example, by its name. A text may begin with a line break, which does not count. */
export function testPrinted(printed: Record<string, RegExp | string>): void {
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
}

/** The command that runs an example. */
export function program(name: string): string[] {
  return [process.execPath, join(root, 'dist/examples', `${name}.js`)]
}

function printsAll(t: Test, { code, stdout, stderr }: Ended, expected: RegExp | string): void {
  t.is(stderr, '')
  if (typeof expected === 'string') t.is(stdout, expected.trimStart())
  else t.regex(stdout, expected)
  t.is(code, 0)
}

function leftNothing(t: Test, room: Room): void {
  if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
  else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
}
