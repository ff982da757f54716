/**
 * Counts tests from what the test runners print, for `npm test`, `npm run test:runtimes` and `npm run test:musl`.
 * A tally reads stdout line by line and is closed with the runner's exit code. Invariant: a doubt (a crash, a lost
 * test, a summary that does not fit, a non-zero exit) is a failure, never a pass.
 * A test that skips at run time passes for the runner; the line it prints (`SKIP …`) moves it to the skipped.
 */
import { stripVTControlCharacters } from 'node:util'

/** ava's default reporter. Its TAP reporter dies at a timeout (avajs/ava#3461), so it cannot be trusted to count. */
export class AvaTally {
  #passed = 0
  #failed = 0
  #skipped = []
  #skippedAtRunTime = 0
  #afterPassed = false
  #summary

  line(raw) {
    const line = stripVTControlCharacters(raw)
    // Behind the first rule stand the failures once more, and the summary.
    if (line === '  ─') this.#summary ??= 0
    else if (this.#summary !== undefined) this.#summary = Number(/^ {2}(\d+) tests? passed$/.exec(line)?.[1] ?? this.#summary)
    else this.#result(line)
  }

  /** The final count, given how the runner ended. */
  close(end) {
    const doubts = doubtsAbout('ava', end, this.#failed)
    const inLines = this.#passed + this.#skippedAtRunTime
    if (end.code === 0 && this.#summary !== inLines) {
      doubts.push(`ava's summary says ${this.#summary} passed, its lines say ${inLines}`)
    }
    return count(this.#passed, this.#failed, this.#skipped, doubts)
  }

  #result(line) {
    const skip = /^ {4}ℹ SKIP (.+)$/.exec(line)
    if (skip && this.#afterPassed) {
      this.#passed -= 1
      this.#skippedAtRunTime += 1
      this.#skipped.push(skip[1])
      this.#afterPassed = false
    }
    if (/^ {2}\S/.test(line)) this.#afterPassed = line.startsWith('  ✔ ')
    const [, mark, text] = /^ {2}(✔ \[expected fail\]|✔|✘|◌|- \[\w+\]) (.+)$/.exec(line) ?? []
    if (mark === undefined) return
    if (mark === '✔') this.#passed += 1
    else if (mark === '✘') this.#failed += failuresIn(text)
    else if (mark === '◌') this.#failed += 1
    else this.#skipped.push(`${text}: ${mark}`)
  }
}

/** libtest, run with `--show-output`, so that what a passing test printed follows under its name. */
export class CargoTally {
  #mayBeEmpty
  #announced = 0
  #passed = 0
  #failed = 0
  #skipped = []
  #inSuccesses = false
  #passedTest

  constructor({ mayBeEmpty = false } = {}) {
    this.#mayBeEmpty = mayBeEmpty
  }

  line(raw) {
    const line = stripVTControlCharacters(raw)
    this.#announced += Number(/^running (\d+) tests?$/.exec(line)?.[1] ?? 0)
    if (line === 'successes:') this.#inSuccesses = true
    if (line === 'failures:') this.#inSuccesses = false
    if (this.#inSuccesses) this.#skip(line)
    const result = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored; (\d+) measured;/.exec(line)
    if (result) this.#result(result.slice(1).map(Number))
  }

  /** The final count, given how cargo ended. */
  close(end) {
    const lost = this.#announced - this.#passed - this.#failed - this.#skipped.length
    const doubts = doubtsAbout('cargo test', end, this.#failed + lost)
    if (this.#announced === 0 && !this.#mayBeEmpty) doubts.push('cargo test found no tests')
    return count(this.#passed, this.#failed + lost, this.#skipped, doubts)
  }

  #result([passed, failed, ignored, measured]) {
    this.#inSuccesses = false
    this.#passed += passed + measured
    this.#failed += failed
    this.#skipped.push(...Array(ignored).fill('a Rust test marked as ignored'))
  }

  #skip(line) {
    this.#passedTest = /^---- (.+) stdout ----$/.exec(line)?.[1] ?? this.#passedTest
    const skip = /^SKIP: (.+)$/.exec(line)
    if (!skip || this.#passedTest === undefined) return
    this.#passed -= 1
    this.#skipped.push(`${this.#passedTest}: ${skip[1]}`)
    this.#passedTest = undefined
  }
}

/** Our own programs where ava does not run: lines `ok …` and `not ok …`, and exit code 0. */
export class LineTally {
  #name
  #passed = 0
  #failed = 0

  constructor(name = 'the program') {
    this.#name = name
  }

  line(line) {
    if (/^ok\b/.test(line)) this.#passed += 1
    if (/^not ok\b/.test(line)) this.#failed += 1
  }

  close(end) {
    const doubts = doubtsAbout(this.#name, end, this.#failed)
    if (this.#passed + this.#failed === 0) doubts.push(`${this.#name} tested nothing`)
    return count(this.#passed, this.#failed, [], doubts)
  }
}

/** The sum of several counts. */
export function sum(counts) {
  return {
    passed: counts.reduce((total, { passed }) => total + passed, 0),
    failed: counts.reduce((total, { failed }) => total + failed, 0),
    skipped: counts.flatMap(({ skipped }) => skipped),
    doubts: counts.flatMap(({ doubts }) => doubts),
  }
}

/** The one line that tells how it went. */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`
}

/** Ends a run: what was skipped, what was in doubt, the closing line alone at the end. Answers the exit code. */
export function conclude(total) {
  for (const reason of total.skipped) console.log(`skipped: ${reason}`)
  for (const reason of total.doubts) console.log(`failed: ${reason}`)
  console.log(closingLine(total))
  return total.failed > 0 || total.passed === 0 ? 1 : 0
}

/** Each doubt is one failure more. */
function count(passed, failed, skipped, doubts) {
  return { passed, failed: failed + doubts.length, skipped, doubts }
}

function doubtsAbout(runner, { code, silent }, failed) {
  if (silent) return [`${runner} fell silent and was killed`]
  return code !== 0 && failed === 0 ? [`${runner} ended with code ${code}`] : []
}

function failuresIn(text) {
  // The tests that a timeout cut off follow one by one, behind ◌.
  if (text.startsWith('Timed out')) return 0
  return Number(/^(\d+) tests? remaining in /.exec(text)?.[1] ?? 1)
}
