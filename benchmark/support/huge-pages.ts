/** What the machine gives of huge pages, and its pool for the time of a benchmark. */
import { readFileSync, writeFileSync } from 'node:fs'

const POOL = '/proc/sys/vm/nr_hugepages'
const TRANSPARENT = '/sys/kernel/mm/transparent_hugepage/shmem_enabled'
const PAGE_BYTES = 2 * 2 ** 20

/** Why shared memory gets no transparent huge pages by advice here, or nothing. */
export function whyNotTransparent(): string | undefined {
  const modes = textOf(TRANSPARENT)
  if (modes === undefined) return `this kernel has no transparent huge pages (${TRANSPARENT})`
  const mode = /\[(\w+)\]/u.exec(modes)?.[1] ?? 'unknown'
  return ['advise', 'always', 'within_size', 'force'].includes(mode) ? undefined : `${TRANSPARENT} is ${mode}: advise, or always, would allow them`
}

/** How much memory can be taken without harm to others. */
export function availableBytes(): number {
  return Number(/MemAvailable:\s+(\d+)/u.exec(textOf('/proc/meminfo') ?? '')?.[1] ?? 0) * 1024
}

/** Runs `act` with so many bytes free in the pool of 2 MiB pages, and gives the pool its size back; or answers why there is none. */
export async function withPool(bytes: number, act: () => Promise<void>): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'to fill the pool of huge pages takes root (sysctl vm.nr_hugepages)'
  if (meminfo('Hugepagesize') * 1024 !== PAGE_BYTES) return 'the huge pages of this machine are not of 2 MiB'
  const before = textOf(POOL) ?? '0'
  const wanted = Number(before) - meminfo('HugePages_Free') + bytes / PAGE_BYTES
  const restore = (): void => writeFileSync(POOL, before)
  const end = (signal: NodeJS.Signals): void => {
    restore()
    process.kill(process.pid, signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
  try {
    writeFileSync(POOL, String(wanted))
    const free = meminfo('HugePages_Free')
    if (free * PAGE_BYTES < bytes) return `the pool got ${free} free pages of 2 MiB instead of ${bytes / PAGE_BYTES}: memory is in pieces`
    await act()
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).path !== POOL) throw error
    return `${POOL} cannot be written: ${(error as Error).message}`
  } finally {
    restore()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, end)
  }
}

function meminfo(field: string): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`, 'u').exec(textOf('/proc/meminfo') ?? '')?.[1] ?? 0)
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
