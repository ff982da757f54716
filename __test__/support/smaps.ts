/**
 * What the kernel says of memory, read by the tests themselves: /proc/<pid>/status, /proc/<pid>/smaps, /proc/meminfo.
 */
import { readFileSync } from 'node:fs'

/** Bytes this process, or another, has marked for locking (`VmLck`). */
export function lockedBytes(pid: number | 'self' = 'self'): number {
  return kibibytes(readFileSync(`/proc/${pid}/status`, 'utf8'), 'VmLck')
}

/** Huge pages of the default size that are free, and reserved for those who have not touched them. */
export function freeHugePages(): { free: number; reserved: number } {
  const text = readFileSync('/proc/meminfo', 'utf8')
  const count = (label: string): number => Number(new RegExp(`^${label}:\\s+(\\d+)`, 'mu').exec(text)?.[1])
  return { free: count('HugePages_Free'), reserved: count('HugePages_Rsvd') }
}

/** The mappings of this process that meet a range, each as its text in smaps. */
export function areas(start: number, length: number): string[] {
  const text = readFileSync('/proc/self/smaps', 'utf8')
  return text.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/mu).filter(area => {
    const [first = 0, end = 0] = (/^\S+/u.exec(area)?.[0] ?? '').split('-').map(word => Number.parseInt(word, 16))
    return first < start + length && start < end
  })
}

/** A number of one area, in bytes. */
export function kibibytes(text: string, label: string): number {
  return Number(new RegExp(`^${label}:\\s+(\\d+) kB`, 'mu').exec(text)?.[1] ?? 0) * 1024
}
