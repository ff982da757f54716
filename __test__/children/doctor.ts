/**
 * Breaks a machine of its own on purpose, and asks the doctor. Played by 81.system-doctor.test.ts; `says` is the patient that another
 * user or a container's profile holds.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { doctor, limits, IPC_PRIVATE, PosixSegment, SysvSegment, type Finding } from 'shmem'
import { asOther, whyNotOther } from '../support/namespace.js'
import { play, stepAside } from '../support/scenarios.js'

await play({ shm, identifiers, memlock, orphans, pids, says })

function found(subject: string, findings: Finding[] = doctor()): Finding {
  const finding = findings.find(one => one.subject === subject)
  assert.ok(finding, `${subject} is among ${findings.map(one => one.subject).join(', ')}`)
  return finding
}

function shell(...words: string[]): string {
  const [command = '', ...rest] = words
  return execFileSync(command, rest, { encoding: 'utf8' })
}

/** Asks a process of another kind; the answer is all its findings. */
function saidBy(...prefix: string[]): Finding[] {
  const [said = ''] = shell(...prefix, process.execPath, process.argv[1] ?? '', 'says').split('\n')
  return JSON.parse(said) as Finding[]
}

function says(): void {
  console.log(JSON.stringify(doctor()))
}

function shm(): void {
  assert.equal(found('size of /dev/shm').level, 'ok')
  shell('mount', '-t', 'tmpfs', '-o', 'size=16m', 'small', '/dev/shm')
  const small = found('size of /dev/shm')
  assert.equal(small.level, 'warning')
  assert.match(small.what, /only 16 MiB/)
  assert.match(small.remedy ?? '', /--shm-size/)
  assert.equal(limits().find(({ name }) => name === '/dev/shm size')?.value, 16 * 2 ** 20)
  assert.equal(found('space in /dev/shm').level, 'ok')
  using filling = PosixSegment.create('/filling', { size: '15.5MiB' })
  assert.equal(found('space in /dev/shm').level, 'problem')
  filling.remove()
  shell('umount', '-l', '/dev/shm')
  shell('umount', '-l', '/dev/shm')
  // What lies below may be a tmpfs of the machine's again.
  for (let depth = 0; depth < 8 && found('size of /dev/shm').level !== 'problem'; depth++) shell('umount', '-l', '/dev/shm')
  assert.match(found('size of /dev/shm').what, /no tmpfs is mounted/)
}

function identifiers(): void {
  writeFileSync('/proc/sys/kernel/shmmni', '4')
  assert.equal(found('System V identifiers').level, 'ok')
  const segments = Array.from({ length: 4 }, () => SysvSegment.create(IPC_PRIVATE, { size: 1, removeOnLastDetach: true }))
  const full = found('System V identifiers')
  assert.equal(full.level, 'problem')
  assert.match(full.what, /4 of 4/)
  for (const segment of segments) segment.close()
  assert.equal(found('System V identifiers').level, 'ok')
}

function memlock(): void {
  const why = whyNotOther()
  if (why !== undefined) return stepAside(why)
  const small = found('memory that may be locked', saidBy('prlimit', '--memlock=65536', ...asOther()))
  assert.equal(small.level, 'warning')
  assert.match(small.what, /64 KiB/)
  assert.equal(found('memory that may be locked', saidBy('prlimit', '--memlock=131072', ...asOther())).level, 'note')
}

function orphans(): void {
  assert.equal(found('orphans').level, 'ok')
  PosixSegment.create('/left', { size: '1MiB' }).close()
  const left = found('orphans')
  assert.equal(left.level, 'warning')
  assert.match(left.what, /1 of your objects .* 1 MiB: \/left/)
  PosixSegment.remove('/left')
}

function pids(): void {
  const own = found('PID namespace', saidBy('unshare', '--pid', '--fork', '--mount-proc'))
  assert.equal(own.level, 'note')
  assert.match(own.what, /not in the lists of users/)
}
