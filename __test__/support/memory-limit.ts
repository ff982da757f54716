/**
 * A prefix for `startChild`: a child in a memory control group of its own (cgroups(7), version 1 or 2), where more than the limit ends
 * with the out-of-memory killer. Needs root, and a controller that lets groups be made.
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { skip } from './skip.js'

const ROOT = '/sys/fs/cgroup'

/** Call it before the child is started, so that the child is gone when the group is removed. Nothing where no group can be had: then `t` is skipped. */
export function limitedTo(t: ExecutionContext<unknown>, limitBytes: number): string[] | undefined {
  const isFirst = existsSync(`${ROOT}/memory/memory.limit_in_bytes`)
  const parent = isFirst ? `${ROOT}/memory` : `${ROOT}${/^0::(.*)$/mu.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? ''}`
  const group = `${parent}/shmem-test-${process.pid}-${limitBytes}`
  const limit = isFirst ? 'memory.limit_in_bytes' : 'memory.max'
  try {
    mkdirSync(group)
    t.teardown(async () => remove(group))
    writeFileSync(`${group}/${limit}`, String(limitBytes))
  } catch (error) {
    skip(t, `no memory control group can be made: ${(error as Error).message}`)
    return undefined
  }
  return ['sh', '-c', `echo $$ > ${group}/cgroup.procs; exec "$@"`, 'sh']
}

/** The kernel lets go of a group a moment after its last process. */
async function remove(group: string): Promise<void> {
  for (let rounds = 1; ; rounds++) {
    try {
      return rmdirSync(group)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || rounds === 200) throw error
    }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}
