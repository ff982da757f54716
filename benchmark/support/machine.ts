/** Names the machine that a number belongs to: without it a number says nothing. */
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

export interface Machine {
  cpu: string
  cpuCount: number
  memoryGiB: number
  kernel: string
  node: string
  date: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpuName(),
    cpuCount: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `Linux ${release()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  }
}

export function machineLine(machine: Machine): string {
  return `${machine.cpu}, ${machine.cpuCount} CPUs, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}, ${machine.date}`
}

/** A folder name for the results of this kind of machine and Node. */
export function machineSlug(machine: Machine): string {
  const words = `${machine.cpu} ${machine.cpuCount}cpu node${machine.node.split('.')[0]?.slice(1)}`
  return words.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')
}

/** Virtual machines often hide the model; family and model number then tell the generation. */
function cpuName(): string {
  const info = readFileSync('/proc/cpuinfo', 'utf8')
  const field = (name: string): string => new RegExp(`^${name}\\s*:\\s*(.+)$`, 'm').exec(info)?.[1]?.trim() ?? ''
  const name = field('model name') || field('CPU part') || 'unknown CPU'
  const generation = field('cpu family') === '' ? '' : ` (family ${field('cpu family')}, model ${field('model')})`
  return name + generation
}
