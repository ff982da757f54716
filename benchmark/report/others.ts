/** How busy a machine is with what is not ours: looked at before a question begins, when nothing of the benchmarks runs. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const lookMs = 500
/** Processors that others may use before a measurement is the worse for it. */
export const tolerated = 0.2

/** How many processors were in use in the half second that this takes; time that a host gave to other machines counts as such. */
export async function processorsInUse(cpuCount: number): Promise<number> {
  const before = ticks()
  await sleep(lookMs)
  const after = ticks()
  const all = after.all - before.all
  return all > 0 ? (cpuCount * (all - (after.idle - before.idle))) / all : 0
}

/** The line `cpu` of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal; what follows is in the first two. */
function ticks(): { all: number; idle: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const fields = line.trim().split(/\s+/u).slice(1, 9).map(Number)
  return { all: fields.reduce((sum, field) => sum + field, 0), idle: (fields[3] ?? 0) + (fields[4] ?? 0) }
}
