/**
 * Limits agree with the kernel's own words, and the doctor finds what was broken on purpose: in namespaces of their own, where a small
 * /dev/shm and few identifiers hurt nobody (the scenarios are in `children/doctor.ts`).
 */
import { readFileSync, statfsSync } from 'node:fs'
import test from 'ava'
import { doctor, limits, type Finding } from 'shmem'
import { compileC } from './support/c-program.js'
import { whyNotPrivate } from './support/namespace.js'
import { survives } from './support/scenario.js'
import { skip } from './support/skip.js'

const notPrivate = whyNotPrivate()

test('limits say what the kernel says', t => {
  const values = new Map(limits().map(({ name, value }) => [name, value]))
  const number = (path: string): number => Number(readFileSync(path, 'utf8'))
  t.is(values.get('kernel.shmmni'), number('/proc/sys/kernel/shmmni'))
  t.is(values.get('vm.max_map_count'), number('/proc/sys/vm/max_map_count'))
  t.is(values.get('vm.nr_hugepages'), number('/proc/sys/vm/nr_hugepages'))
  t.is(values.get('/dev/shm size'), statfsSync('/dev/shm').bsize * statfsSync('/dev/shm').blocks)
  const [, memlock] = /Max locked memory +(\S+)/.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  t.is(String(values.get('RLIMIT_MEMLOCK')), memlock ?? 'none')
  for (const one of limits()) t.true(one.source.length > 0 && one.meaning.length > 0, one.name)
})

test('each finding names a subject of its own, and each that hurts a remedy', t => {
  const findings = doctor()
  t.is(new Set(findings.map(({ subject }) => subject)).size, findings.length)
  for (const { level, subject, remedy } of findings) if (level === 'warning' || level === 'problem') t.true((remedy?.length ?? 0) > 0, subject)
})

for (const [title, scenario] of [
  ['the doctor finds a small /dev/shm, a full one, and none', 'shm'],
  ['the doctor finds identifiers nearly used up', 'identifiers'],
  ['the doctor finds little memory that may be locked', 'memlock'],
  ['the doctor finds what a killed process left', 'orphans'],
  ['the doctor finds a PID namespace of its own', 'pids']
] as const) {
  test.serial(title, async t => {
    if (notPrivate !== undefined) return skip(t, notPrivate)
    await survives(t, 'doctor', scenario, { isAlone: true })
  })
}

test('the doctor finds system calls that a container forbids', async t => {
  const forbid = compileC(t, 'forbid')
  if (forbid === undefined) return
  const numbers = process.arch === 'x64' ? [449, 237] : [449, 235]
  const { stdout } = await survives(t, 'doctor', 'says', { runtime: forbid, execArgv: [...numbers.map(String), '--', process.execPath] })
  const findings = JSON.parse(stdout.split('\n')[0] ?? '') as Finding[]
  const of = (name: string): Finding | undefined => findings.find(({ subject }) => subject === `${name}(2)`)
  t.deepEqual([of('futex_waitv')?.level, of('mbind')?.level, of('memfd_create')?.level], ['warning', 'note', 'ok'])
  t.regex(of('futex_waitv')?.what ?? '', /forbidden here \(EPERM\)/)
  t.regex(of('futex_waitv')?.remedy ?? '', /seccomp/)
})
