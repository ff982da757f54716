/** Maps from text to bytes that other packages and servers offer, with one face: those that answer at once, and those that promise. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPeer } from './peers.js'
import { RedisServer } from './redis-server.js'

export interface SyncMap {
  name: string
  /** The bytes are only looked at before the next call. */
  get(key: string): Uint8Array | undefined
  set(key: string, value: Buffer): void
  close(): void | Promise<void>
}

export interface AsyncMap {
  name: string
  get(key: string): Promise<Uint8Array | null>
  set(key: string, value: Buffer): Promise<unknown>
  close(): void | Promise<void>
}

/** The part of lmdb that we call. */
interface Lmdb {
  open(options: { path: string; noSync: boolean; encoding: 'binary' }): LmdbDatabase
}

interface LmdbDatabase {
  get(key: string): Buffer | undefined
  getBinaryFast(key: string): Buffer | undefined
  put(key: string, value: Buffer): Promise<boolean>
  putSync(key: string, value: Buffer): void
  close(): Promise<void>
}

/** The part of @redis/client that we call. */
interface RedisClientModule {
  RESP_TYPES: { BLOB_STRING: number }
  createClient(options: { socket: { path: string } }): RedisClient
}

interface RedisClient {
  connect(): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): void
  withTypeMapping(mapping: Record<number, typeof Buffer>): Pick<AsyncMap, 'get' | 'set'>
  close(): Promise<void>
}

/** A `Map` of this process: what all others would be if nothing was shared. */
export function plainMap(): SyncMap {
  const map = new Map<string, Buffer>()
  return { name: 'Map', get: (key) => map.get(key), set: (key, value) => map.set(key, value), close: () => map.clear() }
}

/** lmdb as a map that answers at once: each `set` is a commit of its own. */
export interface LmdbMap extends SyncMap {
  /** Gets into one buffer again and again. */
  reusing: SyncMap
  /** Collects the sets of a tick for one commit. */
  promising: AsyncMap
}

/** lmdb as fast as it is: its file in memory, and no wait for a disk. A string says why it is missing. */
export function openLmdb(): LmdbMap | string {
  const lmdb = loadPeer<Lmdb>('lmdb', 'peers/maps')
  if (typeof lmdb === 'string') return lmdb
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'shmem-lmdb-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  const database = lmdb.open({ path: join(folder, 'data'), noSync: true, encoding: 'binary' })
  const atOnce: SyncMap = {
    name: 'lmdb',
    get: (key) => database.get(key),
    set: (key, value) => database.putSync(key, value),
    close: async () => {
      await database.close()
      remove()
    },
  }
  return {
    ...atOnce,
    reusing: { ...atOnce, name: 'lmdb, getBinaryFast', get: (key) => database.getBinaryFast(key) },
    promising: { ...atOnce, name: 'lmdb, put', get: async (key) => database.get(key) ?? null, set: (key, value) => database.put(key, value) },
  }
}

/** A Redis of our own over a Unix socket; requests that do not await each other go out together. A string says why it is missing. */
export async function openRedis(): Promise<AsyncMap | string> {
  const redis = loadPeer<RedisClientModule>('@redis/client', 'peers/maps')
  if (typeof redis === 'string') return redis
  const server = await RedisServer.start()
  if (typeof server === 'string') return server
  const client = redis.createClient({ socket: { path: server.socketPath } })
  client.on('error', () => {})
  await client.connect()
  const bytes = client.withTypeMapping({ [redis.RESP_TYPES.BLOB_STRING]: Buffer })
  return {
    name: 'Redis, Unix socket',
    get: (key) => bytes.get(key),
    set: (key, value) => bytes.set(key, value),
    close: async () => {
      await client.close()
      await server.stop()
    },
  }
}
