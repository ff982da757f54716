/**
 * The machine's pool of huge pages, one test at a time: sets vm.nr_hugepages and restores it at the end of the test. Test files run
 * side by side, so whoever needs a full or an empty pool holds an abstract Unix socket meanwhile, which dies with its process.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'

const POOL = '/proc/sys/vm/nr_hugepages'

/** Makes a pool of `pages` free huge pages until the end of the test; answers why it could not be had, or nothing. */
export async function hugePagePool(t: ExecutionContext<unknown>, pages: number): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'a pool of huge pages needs root'
  await alone(t)
  const before = readFileSync(POOL, 'utf8')
  try {
    writeFileSync(POOL, String(pages))
  } catch (error) {
    return `${POOL} cannot be written: ${(error as Error).message}`
  }
  t.teardown(() => writeFileSync(POOL, before))
  const free = Number(/HugePages_Free:\s+(\d+)/u.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0)
  return free === pages ? undefined : `${free} free huge pages instead of ${pages}`
}

async function alone(t: ExecutionContext<unknown>): Promise<void> {
  for (;;) {
    const server = createServer().unref()
    const taken = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(true)).listen('\0shmem-test-huge-pages', () => resolve(false))
    })
    if (!taken) return t.teardown(() => new Promise<void>(resolve => server.close(() => resolve())))
    await setTimeout(20)
  }
}
