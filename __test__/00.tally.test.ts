/**
 * How `npm test` counts (scripts/tally.mjs): fed with what ava and cargo really print, it must never call a crash,
 * a timeout or a lost test a pass.
 */
import { pathToFileURL } from 'node:url'
import test from 'ava'

interface Count {
  passed: number
  failed: number
  skipped: string[]
  doubts: string[]
}
interface Tally {
  line(line: string): void
  close(end: { code: number; silent?: boolean }): Count
}
interface TallyModule {
  AvaTally: new () => Tally
  CargoTally: new (options?: { mayBeEmpty?: boolean }) => Tally
  LineTally: new () => Tally
  sum(counts: Count[]): Count
  closingLine(count: Count): string
}

// Plain .mjs, since it must run before anything is compiled: imported by address, typed here.
const { AvaTally, CargoTally, LineTally, closingLine, sum } = (await import(
  pathToFileURL('scripts/tally.mjs').href
)) as TallyModule

const avaGreen = ['', '  ✔ a › maps (1.2s)', '    ℹ size 4096', '  ✔ b › locks', '    ℹ SKIP locks: no root', '  ─', '', '  2 tests passed']

test('a test that says SKIP is skipped, not passed', (t) => {
  t.like(count(new AvaTally(), avaGreen, 0), { passed: 1, failed: 0, skipped: ['locks: no root'] })
})

test('coloured output counts the same', (t) => {
  const coloured = avaGreen.map((line) => line.replace(/✔|\d tests passed/u, '\u{1B}[32m$&\u{1B}[39m'))
  t.like(count(new AvaTally(), coloured, 0), { passed: 1, failed: 0 })
})

test('a failed test that says SKIP is failed', (t) => {
  const lines = ['  ✔ a › maps', '  ✘ [fail]: a › locks', '    ℹ SKIP locks: no root', '  ─', '', '  1 test failed']
  t.like(count(new AvaTally(), lines, 1), { passed: 1, failed: 1, skipped: [] })
})

test('a hook that says SKIP skips no test', (t) => {
  const lines = ['  ✔ maps', '  after hook', '    ℹ SKIP after hook: x', '  ─', '', '  1 test passed']
  t.like(count(new AvaTally(), lines, 0), { passed: 1, failed: 0 })
})

test('a crashed test file is a failure, with every test that it took along', (t) => {
  const lines = ['  ✔ a', '  ✘ dist/__test__/b.test.js exited due to SIGKILL', '  ✘ 2 tests remaining in dist/__test__/b.test.js', '  ─', '', '  1 test passed']
  t.like(count(new AvaTally(), lines, 1), { passed: 1, failed: 3 })
})

test('every test pending at a timeout is a failure', (t) => {
  const lines = ['  ✔ a', '', '  ✘ Timed out while running tests', '', '  2 tests were pending in b', '', '  ◌ b › hangs', '  ◌ b › waits', '  ─']
  t.like(count(new AvaTally(), lines, 1), { passed: 1, failed: 2 })
})

test('ava that ends without its summary is a failure, whatever its exit code', (t) => {
  for (const code of [0, 1, 137]) t.is(count(new AvaTally(), ['  ✔ a', '  ✔ b'], code).failed, 1)
})

test('an ava summary that does not fit its lines is a failure', (t) => {
  t.is(count(new AvaTally(), ['  ✔ a', '  ─', '', '  2 tests passed'], 0).failed, 1)
})

test('ava that fell silent and was killed is a failure', (t) => {
  t.true(count(new AvaTally(), avaGreen, 137, true).failed > 0)
})

test('a Rust test that prints SKIP is skipped, once', (t) => {
  const lines = [
    'running 3 tests', 'test memory::maps ... ok', 'test sys::locks ... ok', 'test sys::slow ... ignored', '',
    'successes:', '', '---- sys::locks stdout ----', 'SKIP: no root', 'SKIP: no hugetlb', '', '', 'successes:', '    memory::maps', '    sys::locks', '',
    'test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s',
  ]
  const { passed, failed, skipped } = count(new CargoTally(), lines, 0)
  t.deepEqual({ passed, failed }, { passed: 1, failed: 0 })
  t.deepEqual(skipped.toSorted(), ['a Rust test marked as ignored', 'sys::locks: no root'])
})

test('a failed Rust test that prints SKIP is failed', (t) => {
  const lines = [
    'running 1 test', 'test sys::locks ... FAILED', '', 'successes:', '', 'successes:', '', 'failures:', '', '---- sys::locks stdout ----', 'SKIP: no root', '',
    'test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s',
  ]
  t.like(count(new CargoTally(), lines, 101), { passed: 0, failed: 1, skipped: [] })
})

test('the tests of a crashed Rust program are failures', (t) => {
  t.like(count(new CargoTally(), ['running 7 tests', 'test a ... ok'], 101), { passed: 0, failed: 7 })
})

test('cargo that cannot build, or finds nothing, is a failure', (t) => {
  t.true(count(new CargoTally(), [], 101).failed > 0)
  t.is(count(new CargoTally(), [], 0).failed, 1)
  t.is(count(new CargoTally({ mayBeEmpty: true }), [], 0).failed, 0)
})

test('a program is counted by its lines, its exit code and whether it tested anything', (t) => {
  t.like(count(new LineTally(), ['ok 1 maps', 'not ok 2 locks', 'okay'], 1), { passed: 1, failed: 1 })
  t.like(count(new LineTally(), ['ok 1 maps'], 139), { passed: 1, failed: 1 })
  t.is(count(new LineTally(), [], 0).failed, 1)
})

test('the closing line names skips only where there are some', (t) => {
  const green = count(new LineTally(), ['ok 1'], 0)
  t.is(closingLine(green), '1 passed, 0 failed')
  t.is(closingLine(sum([green, count(new AvaTally(), avaGreen, 0)])), '2 passed, 0 failed, 1 skipped')
})

function count(tally: Tally, lines: string[], code: number, silent = false): Count {
  for (const line of lines) tally.line(line)
  return tally.close({ code, silent })
}
