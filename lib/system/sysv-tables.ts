/**
 * The tables of System V objects as the kernel prints them (proc(5), /proc/sysvipc): what `ipcs` reads too. They show this process's
 * IPC namespace, whoever owns the objects.
 *
 * @module
 * @internal
 */

import { rowsOf } from './proc.js'

/** Mode bit: removal is pending until the last detach. */
export const SHM_DEST = 0o1000
/** Mode bit: locked in memory. */
export const SHM_LOCKED = 0o2000

/** A row of /proc/sysvipc/shm. */
export interface ShmRow {
  key: number
  id: number
  /** Permission bits with {@link SHM_DEST} and {@link SHM_LOCKED}. */
  mode: number
  sizeBytes: number
  /** 0: it has none that this PID namespace knows. */
  creatorPid: number
  lastPid: number
  attached: number
  uid: number
  gid: number
  creatorUid: number
  attachTime: number
  changeTime: number
  residentBytes: number
  swappedBytes: number
}

/** All System V segments. */
export function shmRows(): ShmRow[] {
  return rowsOf('/proc/sysvipc/shm').map(line => {
    const words = line.trim().split(/\s+/)
    const at = (index: number): number => Number(words[index])
    return {
      key: at(0), id: at(1), mode: octal(words[2]), sizeBytes: at(3), creatorPid: at(4), lastPid: at(5), attached: at(6), uid: at(7), gid: at(8),
      creatorUid: at(9), attachTime: at(11), changeTime: at(13), residentBytes: at(14), swappedBytes: at(15)
    }
  })
}

/** A row of /proc/sysvipc/sem. */
export interface SemRow {
  key: number
  id: number
  mode: number
  count: number
  uid: number
  gid: number
  changeTime: number
}

/** All System V semaphore sets. */
export function semRows(): SemRow[] {
  return rowsOf('/proc/sysvipc/sem').map(line => {
    const words = line.trim().split(/\s+/)
    const at = (index: number): number => Number(words[index])
    return { key: at(0), id: at(1), mode: octal(words[2]), count: at(3), uid: at(4), gid: at(5), changeTime: at(9) }
  })
}

function octal(word: string | undefined): number {
  return parseInt(word ?? '0', 8)
}

/** A key as messages write it. */
export function keyText(key: number): string {
  return `0x${(key >>> 0).toString(16).padStart(8, '0')}`
}
