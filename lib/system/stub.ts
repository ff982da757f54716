/** Stands in for the system functions until they are merged. */
import { readFileSync, readdirSync, statSync, unlinkSync } from 'node:fs'
import type { Cleaned, Finding, Limit, ListOptions, ObjectFacts, Orphan, OrphanOptions } from './facts.js'

export function list(options: ListOptions = {}): ObjectFacts[] {
  const posix = readdirSync('/dev/shm').map((file): ObjectFacts => {
    const path = `/dev/shm/${file}`
    const { size, mode, uid, gid, blocks } = statSync(path)
    const managed = size >= 4096 && readFileSync(path).subarray(0, 5).toString() === 'SHMEM'
    return { kind: 'posix', name: `/${file}`, path, sizeBytes: size, mode: mode & 0o777, uid, gid, owner: String(uid), residentBytes: blocks * 512, users: [], usersComplete: false, origin: managed ? 'ours' : 'foreign', managed }
  })
  const sysv = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n').slice(1).map((line): ObjectFacts => {
    const [key = 0, id = 0, , sizeBytes = 0, cpid = 0, lpid = 0, nattch = 0, uid = 0, gid = 0] = line.trim().split(/\s+/u).map(Number)
    return { kind: 'sysv', name: `0x${(key >>> 0).toString(16).padStart(8, '0')}`, key, id, sizeBytes, mode: 0o600, uid, gid, owner: String(uid), creatorPid: cpid, lastPid: lpid, attached: nattch, users: [], usersComplete: true, origin: 'foreign' }
  })
  return [...sysv, ...posix].filter(({ kind }) => options.kinds?.includes(kind) ?? true)
}
export function orphans(_options?: OrphanOptions): Orphan[] {
  return []
}
export function clean(_orphan: Orphan): Cleaned {
  return 'gone'
}
export function remove(facts: ObjectFacts): void {
  if (facts.path !== undefined) unlinkSync(facts.path)
}
export function limits(): Limit[] {
  return [{ name: 'kernel.shmmax', value: 4096, unit: 'bytes', source: '/proc/sys/kernel/shmmax', meaning: 'the largest System V segment' }]
}
export function doctor(): Finding[] {
  return [{ level: 'ok', subject: 'kernel', what: 'is new enough' }, { level: 'warning', subject: '/dev/shm', what: 'has 64 MiB only', remedy: 'docker run --shm-size=1g' }]
}
