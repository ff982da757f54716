/** Stands in for the system functions until they are merged. */
import type { Finding, Limit } from './facts.js'

export function limits(): Limit[] {
  return [{ name: 'kernel.shmmax', value: 4096, unit: 'bytes', source: '/proc/sys/kernel/shmmax', meaning: 'the largest System V segment' }]
}
export function doctor(): Finding[] {
  return [{ level: 'ok', subject: 'kernel', what: 'is new enough' }, { level: 'warning', subject: '/dev/shm', what: 'has 64 MiB only', remedy: 'docker run --shm-size=1g' }]
}
