/**
 * What to do about a failure, where the remedy is known. One row a cause, the most particular first.
 *
 * @module
 * @internal
 */

import type { ErrorFacts } from './error-facts.js'

interface Row {
  code: string
  syscalls?: string[]
  when?: (facts: ErrorFacts) => boolean
  hint: string
}

const onShm = (facts: ErrorFacts): boolean => facts.objectName !== undefined || (facts.path?.startsWith('/dev/shm/') ?? false)

const MEMLOCK = 'The limit is RLIMIT_MEMLOCK: see ulimit -l, LimitMEMLOCK= (systemd) or --ulimit memlock=-1 (Docker); CAP_IPC_LOCK lifts it'
const HUGE_POOL = 'the huge page pool may be empty: see /proc/meminfo (HugePages_Free) and sysctl vm.nr_hugepages, or for 1 GiB pages /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages'
const NUMA_FORBIDDEN = 'Container profiles forbid it: docker run --cap-add SYS_NICE (Kubernetes: capabilities.add: [SYS_NICE]) allows it. MPOL_MF_MOVE_ALL always needs CAP_SYS_NICE'
const MOVE_PAGES_FORBIDDEN = 'Docker’s profile forbids it with every capability: a profile of your own (--security-opt seccomp=profile.json) can allow it. MPOL_MF_MOVE_ALL always needs CAP_SYS_NICE'

const ROWS: Row[] = [
  { code: 'ENOENT', syscalls: ['shmget', 'semget'], hint: 'Nobody made it, or it was removed. Keys are looked up in this IPC namespace only: ipcs lists it; containers share one with --ipc' },
  { code: 'ENOENT', syscalls: ['shm_open', 'sem_open'], hint: 'Nobody made it, or it was removed. Names are looked up in this mount namespace’s /dev/shm only: containers have one each unless they share --ipc' },
  { code: 'ENOSPC', syscalls: ['shmget'], hint: 'All identifiers (SHMMNI) or pages (SHMALL) of this IPC namespace are used: see ipcs -lm and sysctl kernel.shmmni kernel.shmall; ipcrm removes what nobody uses' },
  { code: 'EINVAL', syscalls: ['shmget'], hint: 'The size must be from 1 to SHMMAX (sysctl kernel.shmmax), a multiple of the page for huge pages, and no larger than an existing segment of that key' },
  { code: 'ENOMEM', syscalls: ['shmget'], hint: `There is not enough memory, or, with huge pages: ${HUGE_POOL}` },
  { code: 'EPERM', syscalls: ['shmget'], hint: 'Huge pages need CAP_IPC_LOCK or membership in the group of sysctl vm.hugetlb_shm_group' },
  { code: 'EIDRM', hint: 'It was removed (IPC_RMID) meanwhile' },
  { code: 'EINVAL', syscalls: ['shmat', 'shmctl', 'semctl', 'semop'], when: facts => facts.id !== undefined, hint: 'There may be no such identifier in this IPC namespace, or no longer; or an address is taken or not aligned, or a count is wrong' },
  { code: 'ENOSPC', syscalls: ['semget'], hint: 'All sets (SEMMNI) or semaphores (SEMMNS) of this IPC namespace are used: see ipcs -ls and sysctl kernel.sem' },
  { code: 'EINVAL', syscalls: ['semget'], hint: 'The count must be from 1 to SEMMSL (the first number of sysctl kernel.sem), and no larger than an existing set of that key' },
  { code: 'ERANGE', syscalls: ['semop', 'semctl'], hint: 'A System V semaphore goes from 0 to 32,767 (SEMVMX), and so does its undo value' },
  { code: 'E2BIG', syscalls: ['semop'], hint: 'At most SEMOPM operations in one call: the third number of sysctl kernel.sem' },
  { code: 'EPERM', syscalls: ['shmctl'], hint: `Only the owner, the creator or root may do this. SHM_LOCK is limited besides: ${MEMLOCK}` },
  { code: 'EPERM', syscalls: ['semctl'], hint: 'Only the owner, the creator or root may change or remove it' },
  { code: 'ENOMEM', syscalls: ['shmctl'], hint: MEMLOCK },
  { code: 'ENOMEM', syscalls: ['mlock', 'mlock2'], hint: `${MEMLOCK}. It is the same error where a part is unmapped, or lies beyond the end of an object that became shorter` },
  { code: 'EPERM', syscalls: ['mlock', 'mlock2'], hint: MEMLOCK },
  { code: 'EAGAIN', syscalls: ['mlock', 'mlock2', 'mmap'], hint: MEMLOCK },
  { code: 'ENOSPC', syscalls: ['madvise'], hint: 'The object is sparse, and its file system is full: see df -h; without { reserve: false } this would have been an error at creation' },
  { code: 'ENOMEM', syscalls: ['madvise'], hint: `There is not enough memory, or it is too fragmented for huge pages, or a part of the range is unmapped; or ${HUGE_POOL}` },
  { code: 'EFAULT', syscalls: ['madvise'], hint: 'Some pages of the range have no bytes behind them: somebody shrank the object (see refresh()), or the pool of huge pages is empty' },
  { code: 'EINVAL', syscalls: ['madvise'], hint: 'This advice is not for this kind of memory, or the kernel is older than the advice: collapse() needs Linux 6.1, whole 2 MiB (on most machines), and memory of System V, POSIX or memfd' },
  { code: 'EINVAL', syscalls: ['mbind', 'set_mempolicy', 'move_pages', 'get_mempolicy'], hint: 'There may be no such node, or none that this process may use: see numaNodes() and threadPlacement().allowedNodes' },
  { code: 'EIO', syscalls: ['mbind'], hint: 'Pages lie on other nodes and could not be moved, as others map them too: place memory before it is touched, or do without { strict: true }' },
  { code: 'EPERM', syscalls: ['mbind', 'set_mempolicy', 'get_mempolicy'], hint: NUMA_FORBIDDEN },
  { code: 'EPERM', syscalls: ['move_pages'], hint: MOVE_PAGES_FORBIDDEN },
  { code: 'ENOSYS', syscalls: ['mbind', 'set_mempolicy', 'get_mempolicy', 'move_pages'], hint: 'This kernel was built without CONFIG_NUMA: there is one node, and nothing to place' },
  { code: 'ENOSPC', syscalls: ['fallocate', 'ftruncate', 'shm_open', 'linkat', 'open'], when: onShm, hint: '/dev/shm is full: see df -h /dev/shm; mount -o remount,size=… or docker run --shm-size=1g make it larger. { reserve: false } delays the failure to the first touch' },
  { code: 'ENOSPC', syscalls: ['fallocate', 'ftruncate', 'open'], hint: 'The file system is full: see df -h' },
  { code: 'ENOMEM', syscalls: ['mmap', 'memfd_create'], hint: `Too little memory, too many mappings (sysctl vm.max_map_count), or, with huge pages: ${HUGE_POOL}` },
  { code: 'EEXIST', syscalls: ['shmget', 'semget'], hint: 'open() or openOrCreate() takes the existing one; ipcrm -M (or -S) with the key removes it' },
  { code: 'EEXIST', syscalls: ['shm_open', 'sem_open'], hint: 'open() or openOrCreate() takes the existing one; npx shmem rm with its name removes it, and npx shmem clean what ended programs left' },
  { code: 'EEXIST', syscalls: ['open'], hint: 'open() or openOrCreate() takes the existing one' },
  { code: 'EACCES', syscalls: ['shmctl', 'semctl', 'semop'], hint: 'Its owner and mode forbid it: see ipcs and stat()' },
  { code: 'EACCES', syscalls: ['shm_open', 'open', 'mmap', 'shmget', 'shmat', 'sem_open', 'semget'], hint: 'Look at the object’s owner and mode: { access: "read" } may be allowed where writing is not' },
  { code: 'EAGAIN', syscalls: ['fcntl', 'shmat'], hint: 'Who began to remove it as an orphan is stopped or dead: clean() finishes it' },
  { code: 'EPERM', syscalls: ['unlink', 'rename'], hint: 'Only the owner or root may remove a name from /dev/shm' },
  { code: 'EMFILE', hint: 'Too many open descriptors in this process: see ulimit -n' },
  { code: 'EINVAL', syscalls: ['shm_open', 'open'], when: facts => facts.message.includes('fewer than'), hint: 'open() takes it as it is; where it is left from an earlier run, remove it: npx shmem rm' },
  { code: 'EBADF', syscalls: ['fcntl'], hint: 'The descriptor is not open: its segment was closed, or never in this process' },
  { code: 'EADDRINUSE', syscalls: ['bind'], hint: 'Another receiver waits there, or died and left the file: remove it, or take a name that begins with @' },
  { code: 'ENOENT', syscalls: ['connect'], hint: 'Nobody waits there in receiveFd()' },
  { code: 'ECONNREFUSED', syscalls: ['connect'], hint: 'Nobody waits there in receiveFd() any more: who did ended, and left the file' },
  { code: 'EBUSY', syscalls: ['fcntl'], hint: 'Sealing against writing needs that nobody has it mapped for writing: create with access "read", or seal "future-write"' },
  { code: 'EPERM', syscalls: ['fcntl', 'ftruncate', 'fallocate', 'mmap'], hint: 'A seal may forbid it: see seals' },
  { code: 'ERR_SHM_NO_MEMORY', when: facts => facts.message.includes('brought in'), hint: 'Without prefault, reserve and lockMemory, memory is taken as it is touched; docker run --memory and resources.limits.memory (Kubernetes) give more' },
  { code: 'ERR_SHM_NO_MEMORY', hint: '{ reserve: false } creates it without reserving, and takes the memory as it is touched' },
  { code: 'ERR_SHM_TRUNCATED', hint: 'Somebody shrank the object: the refresh() of a segment maps what is left; raw mappings and semaphores are opened again. Or it was made without a reservation, and its file system is full' },
  { code: 'ERR_SHM_NOT_MANAGED', when: facts => facts.message.includes('something else'), hint: 'Take another name, or remove the object: npx shmem dump shows what it holds' },
  { code: 'ERR_SHM_NOT_MANAGED', hint: 'ManagedSegment.openOrCreate() makes a managed segment of a blank one' },
  { code: 'ERR_SHM_NOT_READY', hint: 'ManagedSegment.openOrCreate() makes it anew where its maker is dead' },
  { code: 'ERR_SHM_MEMBERS_FULL', hint: 'Others leave by close(); { members } says where it is made how many there can be' },
  { code: 'ERR_SHM_DIRECTORY_FULL', hint: '{ objects } says where it is made how many there can be' },
  { code: 'ERR_SHM_NO_SPACE', when: facts => facts.message.includes('the map is full'), hint: "Make the map with more `memory`, or with { eviction: 'lru' }, which lets others go" },
  { code: 'ERR_SHM_NO_SPACE', hint: 'Create the segment with a larger `size`' },
  { code: 'ERR_SHM_TYPE_MISMATCH', hint: 'All members give a name the same kind and numbers; mem.objects lists what there is, and npx shmem rm removes the segment' },
  { code: 'ERR_SHM_PRODUCER_TAKEN', hint: 'Its close() gives the end back; { producers: \'many\' } says where the ring is made that any number may send' },
  { code: 'ERR_SHM_CONSUMER_TAKEN', hint: 'Its close() gives the end back; { consumers: \'many\' } says where the ring is made that any number may receive' },
  { code: 'ERR_SHM_NOT_RECOVERABLE', hint: 'See to what it guards, then reset() makes it free' },
  { code: 'ERR_SHM_NOT_ALLOCATED', hint: 'allocator.blocks() lists what can be freed' },
  { code: 'ERR_SHM_STALE_HANDLE', hint: 'has() tells whether a node is in the list still' },
  { code: 'ERR_SHM_OWNER_DIED', hint: '{ repair } makes what the lock guards whole again, and goes on' },
  { code: 'ERR_SHM_READERS_FULL', hint: 'Others leave by close(); { readers } says where it is made how many there can be' },
  { code: 'ERR_SHM_WRITER_TAKEN', hint: 'It leaves by close() or end(); a dead one is replaced at once' },
  { code: 'ERR_SHM_WRITER_DIED', hint: 'Iterate again to wait for the next writer' },
  { code: 'ERR_SHM_FOREIGN_OWNER', hint: 'Another user may have taken the name or key first: its owner or root can remove the object. Without { owner: "me" } it is taken, if you trust that user' },
  { code: 'ERR_SHM_VERSION', hint: 'All members need the same version of shmem; remove the object and make it anew' },
  { code: 'ERR_SHM_REMOVED', hint: 'Open it with { keepFd: true } to go on after the name is gone' }
]

/** The hint for these facts, or nothing. */
export function hintFor(facts: ErrorFacts): string | undefined {
  return ROWS.find(
    row =>
      row.code === facts.code &&
      (row.syscalls === undefined || (facts.syscall !== undefined && row.syscalls.includes(facts.syscall))) &&
      (row.when === undefined || row.when(facts))
  )?.hint
}
