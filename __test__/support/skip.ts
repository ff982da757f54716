/**
 * How a test of ours steps aside at run time, for tests that need a privilege or a kernel feature that is not here.
 * ava has no such thing: the test passes, and the line it logs lets `npm test` count it as skipped.
 */
import type { ExecutionContext } from 'ava'

/** Logs `SKIP <title>: <reason>` and passes; the caller returns right after. */
export function skip(t: ExecutionContext<unknown>, reason: string): void {
  t.log(`SKIP ${t.title}: ${reason}`)
  t.pass()
}
