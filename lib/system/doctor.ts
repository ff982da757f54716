/**
 * What of this machine will hurt a user of shared memory, in plain words, and how to mend it.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { textOf } from '../kernel-text.js'
import { native } from '../native.js'
import type { Finding } from './facts.js'
import { chosenOf, isFirstPidNamespace, resourceLimit, shmSpace } from './limits.js'
import { orphans } from './orphans.js'
import { linkOf, valueOf } from './proc.js'
import { shmRows } from './sysv-tables.js'

const MIB = 2 ** 20
/** Docker's default. */
const SMALL_SHM_BYTES = 64 * MIB
/** The default of kernels before 5.16. */
const SMALL_MEMLOCK_BYTES = 64 * 1024

/**
 * Examines the machine, and tries the system calls that some kernels and container profiles refuse. Changes nothing. Each look gives one
 * finding: `'ok'`, a `'note'` (good to know), a `'warning'` (will hurt some), a `'problem'` (will hurt).
 */
export function doctor(): Finding[] {
  return [
    shmSize(), shmFree(), memlock(), hugePool(), transparent(), kernel(), ...systemCalls(), namespaces(), removeIpc(), identifiers(), left(), overcommit()
  ]
}

function finding(level: Finding['level'], subject: string, what: string, remedy?: string): Finding {
  return { level, subject, what, ...(remedy === undefined ? {} : { remedy }) }
}

function shmSize(): Finding {
  const subject = 'size of /dev/shm'
  const remedy = 'mount -o remount,size=2g /dev/shm; in containers: docker run --shm-size=2g, or an emptyDir with medium: Memory in Kubernetes'
  const space = shmSpace()
  if (space === undefined || !isMounted('/dev/shm')) {
    return finding('problem', subject, 'no tmpfs is mounted at /dev/shm: POSIX shared memory has no place, or lies on a disk', 'mount -t tmpfs -o mode=1777 shm /dev/shm')
  }
  if (space.size === 0) return finding('ok', subject, 'has no limit of its own')
  if (space.size > SMALL_SHM_BYTES) return finding('ok', subject, `${mebibytes(space.size)} in all`)
  return finding('warning', subject, `only ${mebibytes(space.size)} in all, which is what containers get where nobody asks for more: POSIX segments beyond that are ENOSPC`, remedy)
}

function shmFree(): Finding {
  const subject = 'space in /dev/shm'
  const space = shmSpace()
  if (space === undefined || space.size === 0) return finding('ok', subject, 'not limited')
  const what = `${mebibytes(space.free)} of ${mebibytes(space.size)} are free`
  if (space.free > space.size / 10) return finding('ok', subject, what)
  return finding(space.free < MIB ? 'problem' : 'warning', subject, `${what}: creating POSIX segments fails, or will soon`, 'remove what nobody uses (shmem clean, or orphans() and clean()), or make it larger: mount -o remount,size=… /dev/shm')
}

function memlock(): Finding {
  const subject = 'memory that may be locked'
  const value = resourceLimit('Max locked memory')
  if (value === undefined) return finding('note', subject, 'this machine does not say how much')
  if (hasCapability(CAP_IPC_LOCK)) return finding('ok', subject, 'not limited: this process has CAP_IPC_LOCK')
  if (value === 'unlimited') return finding('ok', subject, 'not limited')
  const remedy = 'ulimit -l, /etc/security/limits.conf (memlock), LimitMEMLOCK=infinity (systemd), docker run --ulimit memlock=-1, or CAP_IPC_LOCK'
  const what = `${kib(value)} for this process: lockMemory beyond that is ENOMEM`
  return value <= SMALL_MEMLOCK_BYTES ? finding('warning', subject, what, remedy) : finding('note', subject, what, remedy)
}

const CAP_IPC_LOCK = 14

function hasCapability(bit: number): boolean {
  const [, effective = '0'] = /^CapEff:\s+([0-9a-f]+)$/m.exec(textOf('/proc/self/status') ?? '') ?? []
  return ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n
}

function hugePool(): Finding {
  const subject = 'huge pages'
  const total = Number(valueOf('/proc/sys/vm/nr_hugepages') ?? 0)
  const free = /^HugePages_Free:\s+(\d+)$/m.exec(textOf('/proc/meminfo') ?? '')?.[1]
  if (total === 0) return finding('note', subject, "none are reserved: { hugePages: 'require' } is ENOMEM, and 'prefer' gives base pages", 'sysctl vm.nr_hugepages=512 reserves 1 GiB in pages of 2 MiB, best right after boot')
  if (free === '0') return finding('warning', subject, `all ${total} that are reserved are taken`, 'sysctl vm.nr_hugepages=… reserves more')
  return finding('ok', subject, `${free ?? '?'} of ${total} are free`)
}

function transparent(): Finding {
  const subject = 'transparent huge pages for shared memory'
  const chosen = chosenOf('/sys/kernel/mm/transparent_hugepage/shmem_enabled')
  if (chosen === undefined) return finding('note', subject, 'this kernel has none')
  if (chosen !== 'never' && chosen !== 'deny') return finding('ok', subject, `'${chosen}'`)
  return finding('note', subject, `'${chosen}': POSIX segments and memfds get none by advice`, 'echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled')
}

/** What came with which version, and what one does without it. */
const MILESTONES: [number, number, string][] = [
  [5, 14, 'no MADV_POPULATE_WRITE: prefaulting touches page by page'],
  [5, 16, 'no futex_waitv: waits for a lock look every so often whether its owner lives'],
  [6, 1, 'no MADV_COLLAPSE: huge pages cannot be made of base pages at once'],
  [6, 2, 'a killed waker can lose a wake-up, which costs the woken some milliseconds'],
  [6, 6, 'no extended attributes on /dev/shm: of a POSIX object without users nobody can tell that this library made it']
]

function kernel(): Finding {
  const [major = 0, minor = 0] = release().split(/[.-]/).map(Number)
  const missing = MILESTONES.filter(([oldMajor, oldMinor]) => major < oldMajor || (major === oldMajor && minor < oldMinor))
  if (missing.length === 0) return finding('ok', 'kernel', `Linux ${release()}`)
  return finding('note', 'kernel', `Linux ${release()} has ${missing.map(([, , what]) => what).join('; ')}`, 'a newer kernel')
}

/** What is missing without each call. */
const NEEDED_FOR: Record<string, [Finding['level'], string]> = {
  futex_waitv: ['warning', 'waits for a lock look every so often whether its owner lives, instead of being told'],
  mbind: ['note', 'memory cannot be bound to NUMA nodes'],
  set_mempolicy: ['note', 'the NUMA policy of new memory cannot be set'],
  get_mempolicy: ['note', 'where memory lies cannot be asked'],
  move_pages: ['note', 'on which node each page lies cannot be asked'],
  memfd_create: ['problem', 'MemfdSegment cannot be used'],
  pidfd_getfd: ['note', 'MemfdSegment.fromProcess needs /proc'],
  MADV_POPULATE_WRITE: ['note', 'prefaulting touches page by page'],
  MADV_COLLAPSE: ['note', 'huge pages cannot be made of base pages at once']
}

function systemCalls(): Finding[] {
  return native.probeSystemCalls().map(({ name, refusal }) => {
    const subject = name.startsWith('MADV') ? `madvise with ${name}` : `${name}(2)`
    if (refusal === undefined || refusal === null) return finding('ok', subject, 'works')
    const [level, consequence] = NEEDED_FOR[name] ?? ['note', '']
    const isForbidden = refusal === 'EPERM'
    const remedy = isForbidden ? 'allow it in the container’s seccomp profile (docker run --security-opt seccomp=…)' : 'a newer kernel, or one with this built in; gVisor has it not'
    return finding(level, subject, `${isForbidden ? 'forbidden here' : 'not there'} (${refusal}): ${consequence}`, remedy)
  })
}

function namespaces(): Finding {
  const subject = 'PID namespace'
  if (isFirstPidNamespace()) return finding('ok', subject, 'all processes of the machine can be seen')
  return finding(
    'note', subject,
    `this process is in a PID namespace of its own (${linkOf('/proc/self/ns/pid') ?? 'unknown'}): if its /dev/shm or IPC namespace is shared with others (docker run --ipc=…), their processes are not in the lists of users, and pthread robust mutexes can come free by mistake`,
    'the locks of managed segments, the sign of life and attach counts hold across PID namespaces; else share the PID namespace too (docker run --pid=…)'
  )
}

/** Where logind reads whether it removes a user's objects when the user's last session ends. */
const LOGIND_FOLDERS = ['/usr/lib/systemd', '/run/systemd', '/etc/systemd']

function removeIpc(): Finding {
  const subject = 'RemoveIPC of systemd-logind'
  // What sd_booted(3) looks for, and where logind keeps its sessions.
  if (!existsSync('/run/systemd/system') || !existsSync('/run/systemd/sessions')) return finding('ok', subject, 'systemd-logind does not run here')
  const said = LOGIND_FOLDERS.map(folder => /^\s*RemoveIPC\s*=\s*(\S+)/m.exec(textOf(`${folder}/logind.conf`) ?? '')?.[1]).findLast(word => word !== undefined)
  if (said !== undefined && ['no', 'false', '0', 'off'].includes(said.toLowerCase())) return finding('ok', subject, 'is off')
  const uid = process.getuid?.() ?? 0
  if (uid < 1000) return finding('ok', subject, 'is on, and spares system users such as this one')
  return finding('warning', subject, 'is on: when your last session ends, systemd-logind removes your System V and POSIX objects, also those that services use', 'RemoveIPC=no in /etc/systemd/logind.conf, loginctl enable-linger, or a system user (uid below 1000)')
}

function identifiers(): Finding {
  const subject = 'System V identifiers'
  const most = Number(valueOf('/proc/sys/kernel/shmmni') ?? 0)
  const used = shmRows().length
  if (most === 0) return finding('note', subject, 'this machine has no System V shared memory')
  const what = `${used} of ${most} segments exist (kernel.shmmni)`
  if (used < most * 0.9) return finding('ok', subject, what)
  return finding(used >= most ? 'problem' : 'warning', subject, `${what}: creating segments fails with ENOSPC, or will soon`, 'remove what nobody uses (shmem clean --foreign, ipcrm), or sysctl kernel.shmmni=…')
}

function left(): Finding {
  const found = orphans()
  const bytes = found.reduce((sum, { residentBytes, sizeBytes }) => sum + (residentBytes ?? sizeBytes), 0)
  if (found.length === 0) return finding('ok', 'orphans', 'none of yours')
  const names = found.slice(0, 3).map(({ name }) => name).join(', ')
  return finding('warning', 'orphans', `${found.length} of your objects are used by nobody and hold ${mebibytes(bytes)}: ${names}${found.length > 3 ? ', …' : ''}`, 'shmem clean, or clean() for each of orphans()')
}

function overcommit(): Finding {
  const subject = 'overcommit'
  const mode = valueOf('/proc/sys/vm/overcommit_memory')
  if (mode !== 2) return finding('ok', subject, `vm.overcommit_memory is ${mode ?? 'unknown'}`)
  return finding('warning', subject, 'vm.overcommit_memory is 2: large mappings are ENOMEM when the sum of promises is reached, also those that are never touched ({ reserve: false })', 'sysctl vm.overcommit_memory=0, or a larger vm.overcommit_ratio')
}

function isMounted(path: string): boolean {
  return (textOf('/proc/self/mountinfo') ?? '').split('\n').some(line => line.split(' ')[4] === path)
}

function mebibytes(bytes: number): string {
  return bytes < MIB ? kib(bytes) : `${Math.round((bytes / MIB) * 10) / 10} MiB`
}

function kib(bytes: number): string {
  return `${Math.round(bytes / 102.4) / 10} KiB`
}
