/**
 * The fault guard gets along with everybody else in the process: threads of the runtime that outlive a segment, WebAssembly,
 * handlers installed before and after ours; and it saves nobody whose fault is not ours. Each claim is played in a child process
 * (children/fault-neighbours.ts), the other handlers by children/signal-neighbour.c.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { compileC } from './support/c-program.js'
import { scenario, survives, type Outcome } from './support/scenario.js'

const claims: Record<string, string> = {
  'a segment closed under zlib deflate': 'closed-under-deflate',
  'a segment closed under gzip': 'closed-under-gzip',
  'a segment closed under brotli': 'closed-under-brotli',
  'a segment closed under crypto.randomFill': 'closed-under-randomFill',
  'a segment closed under crypto.subtle.digest': 'closed-under-subtle',
  'a segment closed under fs.read': 'closed-under-fs.read',
  'a segment closed under fs.write': 'closed-under-fs.write',
  'a segment closed after a hash': 'closed-under-hash',
  'a compression of a closed segment, with 300 closed after it': 'outlives-quarantine-reading',
  'a randomFill of a closed segment, with 300 closed after it': 'outlives-quarantine-writing',
  'several threads that fault on the same pages': 'pool-threads-fault-together',
  'a socket write that stalls while its segment is closed': 'stalled-socket',
  'a socket that reads into a closed segment, with 300 closed after it': 'socket-reads-into-closed',
  'WebAssembly traps before and after the guard ran': 'wasm',
  'WebAssembly traps and the guard in a worker': 'wasm-in-worker',
  'the guard in a worker': 'guard-in-worker',
  'threads that fault while others open and close': 'stress'
}

for (const [claim, name] of Object.entries(claims)) {
  test(`the process survives ${claim}`, async t => {
    await survives(t, 'fault-neighbours', name)
  })
}

for (const signal of ['SIGSEGV', 'SIGBUS']) {
  test(`${signal} that somebody sends still kills`, async t => {
    const outcome = await scenario(t, 'fault-neighbours', 'killed', { args: [signal] })
    t.deepEqual({ code: outcome.code, signal: outcome.signal }, { code: null, signal })
  })
}

for (const [claim, name] of Object.entries({
  'a handler installed before ours still gets its faults': 'handler-before',
  'a handler of one argument installed before ours still gets its faults': 'plain-handler-before',
  'a handler installed after ours, and ours behind it, still get their faults': 'handler-after'
})) {
  test(claim, async t => {
    const outcome = await withNeighbour(t, name)
    if (outcome === undefined) return
    const { code, signal, survived, stdout } = outcome
    t.deepEqual({ code, signal, survived }, { code: 0, signal: null, survived: true }, outcome.stderr)
    t.regex(stdout, /^recovered$/m)
  })
}

for (const [claim, name, signal] of [
  ['a genuine segfault elsewhere still kills', 'wild', 'SIGSEGV'],
  ['a genuine SIGBUS elsewhere still kills', 'wild-bus', 'SIGBUS'],
  ['a genuine segfault still kills among several handlers', 'wild-among-handlers', 'SIGSEGV']
] as const) {
  test(claim, async t => {
    const outcome = await withNeighbour(t, name)
    if (outcome === undefined) return
    t.deepEqual({ code: outcome.code, signal: outcome.signal }, { code: null, signal }, outcome.stderr)
  })
}

async function withNeighbour(t: ExecutionContext<unknown>, name: string): Promise<Outcome | undefined> {
  const library = compileC(t, 'signal-neighbour', ['-shared', '-fPIC'])
  if (library === undefined) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-neighbour-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return await scenario(t, 'fault-neighbours', name, { env: { LD_PRELOAD: library, NEIGHBOUR_DIR: folder } })
}
