/**
 * Claims without a test runner, for programs that run where ava does not (scripts/test-runtimes.mjs): a line `ok <claim>` or
 * `not ok <claim>` for each. No claim can crash another unseen: a crash ends the program without its last lines and with a signal.
 */

export type Claims = Record<string, () => unknown>

/** Proves all of them, one after the other; exits with 1 if one does not hold. */
export async function proveAll(claims: Claims): Promise<never> {
  let failed = 0
  for (const [claim, prove] of Object.entries(claims)) {
    try {
      await prove()
      console.log(`ok ${claim}`)
    } catch (error) {
      failed += 1
      console.log(`not ok ${claim}: ${(error as Error).stack ?? String(error)}`)
    }
  }
  process.exit(failed > 0 ? 1 : 0)
}
