/** How often the threads of a process went to sleep of themselves, as the kernel counts: each such sleep ended with a wake. */
import { readdirSync, readFileSync } from 'node:fs'

/** A thread that ends takes its count with it. */
export function voluntarySwitches(pid: number): number {
  let total = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
    total += Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1] ?? 0)
  }
  return total
}
