/**
 * The fault guard among its neighbours: native threads of the runtime that still hold a pointer, WebAssembly traps, other signal
 * handlers, genuine crashes. Played by 33.fault-guard-neighbours.test.ts; a worker thread plays `worker`.
 */
import assert from 'node:assert/strict'
import { createHash, randomFill, subtle } from 'node:crypto'
import { existsSync, read, write, writeFileSync } from 'node:fs'
import { createServer, connect, type Server } from 'node:net'
import { join } from 'node:path'
import { brotliCompress, deflate, gzip } from 'node:zlib'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { codeOf, make, play, readOnlyPair } from '../support/scenarios.js'
import { MemfdSegment } from 'shmem'

const SIZE = 65_536
const LARGE = 64 * 2 ** 20
type Operation = (bytes: Buffer, done: (error: unknown) => void) => void

/** `(memory 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))` */
const wasmBytes = Buffer.from('0061736d0100000001060160017f017f030201000503010001070801046c6f616400000a0901070020002802000b', 'hex')
/** TypeScript knows it only with the browser's library. */
const { Instance, Module, RuntimeError } = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly
interface Wasm {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { exports: unknown }
  RuntimeError: ErrorConstructor
}

const scratch = (): MemfdSegment => MemfdSegment.create('shmem-test', { size: LARGE, reserve: false })
const operations: Record<string, Operation> = {
  // In one go: between two blocks of output Node asserts that the input's buffer was not detached, whoever owns it, and aborts.
  deflate: (bytes, done) => deflate(bytes, { chunkSize: LARGE }, done),
  gzip: (bytes, done) => gzip(bytes, { level: 1, chunkSize: LARGE }, done),
  brotli: (bytes, done) => brotliCompress(bytes.subarray(0, LARGE / 16), done),
  randomFill: (bytes, done) => randomFill(bytes, done),
  subtle: async (bytes, done) => done(await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>).catch((error: unknown) => error)),
  'fs.read': (bytes, done) => read(scratch().fd, bytes, 0, LARGE, 0, done),
  'fs.write': (bytes, done) => write(scratch().fd, bytes, 0, LARGE, 0, done),
  hash: (bytes, done) => done(createHash('sha256').update(bytes).digest())
}

if (isMainThread) {
  await play({
    ...Object.fromEntries(Object.keys(operations).map(name => [`closed-under-${name}`, () => closedUnder(name)])),
    'outlives-quarantine-reading': () => outlivesQuarantine('deflate'),
    'outlives-quarantine-writing': () => outlivesQuarantine('randomFill'),
    'pool-threads-fault-together': poolThreadsFault,
    'stalled-socket': stalledSocket,
    'socket-reads-into-closed': socketReadsIntoClosed,
    'wasm': wasm,
    'wasm-in-worker': () => inWorker('wasm'),
    'guard-in-worker': () => inWorker('guard'),
    'handler-before': () => handlerBefore('install'),
    'plain-handler-before': () => handlerBefore('install-plain'),
    'handler-after': handlerAfter,
    'wild': () => wild('wild'),
    'wild-bus': () => wild('wild-bus'),
    'wild-among-handlers': async () => {
      await tell('install')
      await wild('wild')
    },
    'killed': signal => {
      guardWorks()
      process.kill(process.pid, signal)
      setInterval(() => {}, 1000)
    },
    'stress': stress
  })
} else {
  await playWorker(workerData as string)
}

function guardWorks(): void {
  const { writer, reader } = readOnlyPair(SIZE)
  const view = new Uint8Array(reader.buffer)
  view[0] = 1
  view[SIZE - 1] = 1
  assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
  reader.close()
  writer.resize(1)
  writer.close()
}

async function pause(ms: number): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, ms))
}

/** Closes while threads of the runtime are in the middle of it. How the operation ends is its own affair. */
async function closedUnder(name: string): Promise<void> {
  for (const access of ['write', 'read'] as const) {
    const owner = scratch()
    const segment = MemfdSegment.fromFd(owner.fd, { access })
    const ended = new Promise(resolve => operations[name]?.(segment.bytes, resolve))
    await pause(15)
    segment.close()
    assert.equal(segment.buffer.byteLength, 0)
    await ended
    owner.close()
  }
  guardWorks()
}

/** More segments are closed after it than any bounded list of closed ranges keeps. */
async function outlivesQuarantine(name: string): Promise<void> {
  const segment = MemfdSegment.create('shmem-test', { size: 4 * LARGE, reserve: false })
  const ended = new Promise(resolve => operations[name]?.(segment.bytes, resolve))
  await pause(15)
  segment.close()
  for (let count = 0; count < 300; count++) make('memfd', 4096).close()
  await ended
}

/** Four threads on the same pages of the same read-only mapping. */
async function poolThreadsFault(): Promise<void> {
  const { writer, reader } = readOnlyPair(4 * 2 ** 20)
  const { bytes } = reader
  await Promise.all([0, 1, 2, 3, 4, 5].map(() => new Promise(resolve => randomFill(bytes, resolve))))
  assert.ok(writer.bytes.every(byte => byte === 0))
  assert.equal(codeOf(() => reader.read(0, 1)), 'ERR_SHM_READ_ONLY')
  assert.ok(reader.stat().faults.readOnly >= 1024)
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

/** The peer does not read: libuv keeps the pointer until it does. */
async function stalledSocket(): Promise<void> {
  let resume = (): void => {}
  const server = createServer(peer => void (resume = () => void peer.on('error', () => {}).resume())).unref()
  const socket = connect(await listen(server), '127.0.0.1')
  // Before it is connected, Node only queues the view, and would find it empty later.
  await new Promise(resolve => socket.once('connect', resolve))
  const segment = MemfdSegment.create('shmem-test', { size: LARGE, reserve: false })
  const ended = new Promise<unknown>(resolve => socket.on('error', resolve).write(segment.bytes, resolve))
  await pause(50)
  assert.ok(socket.writableLength > 0, 'it stalls')
  segment.close()
  resume()
  assert.equal(((await ended) as { code?: string } | undefined)?.code, 'EFAULT')
  socket.destroy()
}

/** `onread` keeps one pointer as long as the socket lives. It must never come to point into somebody else's memory. */
async function socketReadsIntoClosed(): Promise<void> {
  let send = (): void => {}
  const server = createServer(peer => void (send = () => void peer.on('error', () => {}).write(Buffer.alloc(SIZE, 0xcc))))
  const segment = make('memfd', 2 ** 20)
  const onread = { buffer: segment.bytes, callback: () => true }
  const socket = connect({ port: await listen(server), host: '127.0.0.1', onread })
  const failed = new Promise<{ code?: string }>(resolve => socket.on('error', resolve))
  await pause(30)
  segment.close()
  for (let count = 0; count < 300; count++) make('memfd', 4096).close()
  const others = Array.from({ length: 50 }, () => make('memfd', 2 ** 20))
  send()
  await Promise.race([failed, pause(300)])
  const overwritten = others.filter(other => other.bytes.includes(0xcc)).length
  assert.equal(overwritten, 0, 'a socket wrote into another segment')
  socket.destroy()
  server.close()
}

function trapWorks(): void {
  const { load } = new Instance(new Module(wasmBytes)).exports as { load(address: number): number }
  for (let round = 0; round < 20_000; round++) load(round & 0xff)
  for (const address of [65_536, 0x7fff_ffff, -1]) assert.throws(() => load(address), RuntimeError)
  assert.equal(load(0), 0)
}

function wasm(): void {
  trapWorks()
  guardWorks()
  trapWorks()
  guardWorks()
}

async function inWorker(name: string): Promise<void> {
  if (name === 'wasm') wasm()
  const worker = new Worker(new URL(import.meta.url), { workerData: name })
  const code = await new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve))
  assert.equal(code, 0)
  wasm()
}

/** Gives the preloaded neighbour a command and waits until it obeyed. */
async function tell(command: string): Promise<void> {
  const path = join(process.env['NEIGHBOUR_DIR'] ?? '', command)
  writeFileSync(path, '')
  while (existsSync(path)) await pause(2)
}

/** Nothing of ours is installed before the first guarded mapping. */
async function handlerBefore(how: string): Promise<void> {
  await tell(how)
  guardWorks()
  await tell('touch')
  guardWorks()
}

async function handlerAfter(): Promise<void> {
  guardWorks()
  await tell('install')
  guardWorks()
  await tell('touch')
  wasm()
}

async function wild(command: string): Promise<void> {
  guardWorks()
  await tell(command)
  throw new Error('a genuine fault did not kill')
}

/** Threads fault on mappings of their own and on the same object, while another opens and closes. */
async function stress(): Promise<void> {
  const shared = MemfdSegment.create('shmem-test', { size: SIZE })
  const workers = [0, 1, 2].map(() => new Worker(new URL(import.meta.url), { workerData: `stress ${process.pid} ${shared.fd}` }))
  const ended = workers.map(worker => new Promise((resolve, reject) => worker.on('error', reject).on('exit', resolve)))
  const state = { running: workers.length }
  for (const worker of workers) worker.once('exit', () => (state.running -= 1))
  while (state.running > 0) {
    for (let count = 0; count < 20; count++) openTouchClose(shared)
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.deepEqual(await Promise.all(ended), [0, 0, 0])
  assert.ok(shared.bytes.every(byte => byte === 0))
}

function openTouchClose(shared: MemfdSegment): void {
  const reader = MemfdSegment.fromFd(shared.fd, { access: 'read' })
  const view = new Uint8Array(reader.buffer)
  view.fill(1)
  const own = make('memfd', 8192)
  own.unmap({ offset: 4096 })
  view[0] = own.bytes[5000] ?? 1
  own.close()
  reader.close()
}

async function playWorker(name: string): Promise<void> {
  if (name === 'wasm') return wasm()
  if (name === 'guard') return guardWorks()
  const [, pid, fd] = name.split(' ').map(Number)
  const shared = MemfdSegment.fromProcess(pid ?? 0, fd ?? 0)
  const until = performance.now() + 2000
  let rounds = 0
  for (; performance.now() < until; rounds++) {
    openTouchClose(shared)
    if (rounds % 50 === 0) trapWorks()
  }
  parentPort?.postMessage(rounds)
}

