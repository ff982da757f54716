/** The packages that do something like this one, installed on demand below `benchmark/peers`; never a dependency of ours. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { benchmarkFolder } from './paths.js'

/** The part of shm-typed-array that we call; keys are numbers for System V and names for POSIX. */
export interface ShmTypedArray {
  create(count: number, type: 'Buffer', key?: number | string): (Buffer & { key?: number }) | null
  get(key: number | string, type: 'Buffer'): Buffer | null
  /** Returns 0 if that destroyed the object, 1 if not, -1 on an error. */
  detach(key: number | string, destroys?: boolean): number
}

/** The part of @riaskov/mmap-io that we call; it has no unmap. */
export interface MmapIo {
  PROT_READ: number
  PROT_WRITE: number
  MAP_SHARED: number
  map(sizeBytes: number, protection: number, flags: number, fd: number): Buffer
}

/** The folders with a package.json of peers; each is installed as a whole. */
export type PeerFolder = 'peers' | 'peers/maps'

/** Installs the peers unless they are there. What npm says is shown if it fails: some compile C++ and need Node's headers. */
export function installPeers(name: PeerFolder = 'peers'): void {
  const folder = `${benchmarkFolder}${name}/`
  if (existsSync(`${folder}node_modules/.package-lock.json`)) return
  process.stdout.write(`Installing the peers into benchmark/${name} (npm install)…\n`)
  try {
    execFileSync('npm', ['install', '--prefix', folder, '--no-package-lock', '--no-audit', '--no-fund', '--loglevel', 'error'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    })
  } catch (error) {
    process.stdout.write(`The peers do not install here:\n${(error as { stderr?: string }).stderr ?? String(error)}\n`)
  }
}

/** The peer, or the sentence that says why it is missing. */
export function loadPeer<Peer>(name: string, folder: PeerFolder = 'peers'): Peer | string {
  try {
    return createRequire(`${benchmarkFolder}${folder}/package.json`)(name) as Peer
  } catch (error) {
    return `${name} does not load here: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`
  }
}
