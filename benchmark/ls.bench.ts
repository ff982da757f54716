/**
 * How long does `shmem ls` take where there are 2,000 segments, half of them System V and half POSIX, all mapped by one process? The bar is 300 ms beyond the start of Node;
 * `ipcs -m`, which lists half of them and no users, is beside it.
 *
 * Where that is allowed it runs in an IPC namespace and a /dev/shm of its own, so that only these are listed.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { IPC_PRIVATE, PosixSegment, SysvSegment } from 'shmem'
import { parseOptions, roundsFor } from './support/options.js'
import { interleave } from './support/pairing.js'
import { Report } from './support/report.js'
import { summarize } from './support/statistics.js'

const SEGMENTS = 2000
const BAR_MS = 300
const IS_ALONE = 'SHMEM_BENCH_LS_ALONE'
const command = fileURLToPath(new URL('../../bin/shmem.js', import.meta.url))
const file = fileURLToPath(import.meta.url)

const alone = ['unshare', '--ipc', '--mount', 'sh', '-c', 'mount -t tmpfs shm /dev/shm && exec "$@"', 'sh']

if (process.env[IS_ALONE] === undefined && spawnSync('unshare', [...alone.slice(1, 3), 'mount', '-t', 'tmpfs', 'shm', '/dev/shm']).status === 0) {
  const [first = '', ...rest] = alone
  const child = spawn(first, [...rest, process.execPath, file, ...process.argv.slice(2)], { stdio: 'inherit', env: { ...process.env, [IS_ALONE]: '1' } })
  const [code] = (await once(child, 'exit')) as [number | null]
  process.exitCode = code ?? 1
} else await measure()

async function measure(): Promise<void> {
  const options = parseOptions()
  const report = new Report('ls', `How long does \`shmem ls\` take with ${SEGMENTS} segments, beyond the start of Node?`, options)
  const made = Array.from({ length: SEGMENTS / 2 }, (_, index) => [
    PosixSegment.create(`/shmem-bench-${process.pid}-${index}`, { size: 4096 }),
    SysvSegment.create(IPC_PRIVATE, { size: 4096, removeOnLastDetach: true })
  ] as const).flat()
  try {
    check()
    const { node, withUsers, without, ipcs } = await interleave(
      {
        node: () => milliseconds([process.execPath, '-e', '0']),
        withUsers: () => milliseconds([process.execPath, command, 'ls']),
        without: () => milliseconds([process.execPath, command, 'ls', '--no-users']),
        ipcs: () => milliseconds(['ipcs', '-m'])
      },
      roundsFor(options)
    )
    for (const [subject, samples] of [['ls', withUsers], ['ls --no-users', without]] as const) {
      const beyond = samples.map((taken, round) => taken - (node[round] ?? 0))
      const { median } = summarize(beyond)
      report.add({ subject, unit: 'ms', ours: { name: 'shmem, beyond Node', samples: beyond }, other: { name: 'ipcs -m', samples: ipcs }, bar: { text: `≤ ${BAR_MS} ms`, holds: median <= BAR_MS } })
    }
    report.remark(`The start of Node (\`node -e 0\`) took ${summarize(node).median.toPrecision(3)} ms in the same rounds, and is taken off.`)
  } finally {
    for (const segment of made) {
      if (segment instanceof PosixSegment) segment.remove()
      segment.close()
    }
  }
  report.finish()
}

function milliseconds([program = '', ...args]: string[]): number {
  const start = performance.now()
  const { status, stderr } = spawnSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}`)
  return performance.now() - start
}

/** Every segment is listed, and who uses it. */
function check(): void {
  const { stdout } = spawnSync(process.execPath, [command, 'ls', '--json'], { encoding: 'utf8', maxBuffer: 2 ** 26 })
  const { objects } = JSON.parse(stdout) as { objects: { kind: string; users: { pid: number }[] }[] }
  const ours = objects.filter(({ kind, users }) => kind !== 'memfd' && users.some(({ pid }) => pid === process.pid))
  if (ours.length !== SEGMENTS) throw new Error(`${ours.length} of ${SEGMENTS} segments are listed with their user`)
}
