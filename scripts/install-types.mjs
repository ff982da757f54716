/**
 * A user's TypeScript program that uses the installed package, and the compilers and settings under which it must be well typed:
 * for scripts/test-install.mjs. What must be an error stands under `@ts-expect-error`, so that types which have become `any` fail.
 */
import { join } from 'node:path'
import { tools } from './install-room.mjs'
import { root } from './process.mjs'

const [node16, nodenext, bundler] = [['node16'], ['nodenext'], ['bundler', 'esnext']].map(([moduleResolution, module = moduleResolution]) => ({ module, moduleResolution }))

/** Name, program, settings. Under node16 a CommonJS file may not require an ES module; nodenext knows that it can. */
export const compilers = [
  ['7', join(root, 'node_modules/typescript/bin/tsc'), [node16, nodenext, bundler]],
  ['6', join(tools, 'node_modules/typescript-6/bin/tsc'), [node16, bundler]],
  ['5', join(tools, 'node_modules/typescript-5/bin/tsc'), [node16, bundler]],
]

const program = `import { ManagedSegment, MemfdSegment, PosixSegment, ShmError, struct, type Descriptor, type Segment } from 'shmem'
import { memfd_create } from 'shmem/posix'
import { shmget, type shmid_ds } from 'shmem/sysv'

export const made: PosixSegment = PosixSegment.openOrCreate('/types', { size: '64KiB', mode: 0o600 })
export const bytes: number = made.size
export const descriptor: Descriptor = made.descriptor
export const words = new Int32Array(made.buffer)
export const segments: Segment[] = [made, MemfdSegment.create('types', { size: 4096 })]
export const locked: 'locked' | 'ownerDied' | 'timedOut' = ManagedSegment.open('types').mutex('book').lockSync({ timeoutMs: 5 })
export const fd: number = memfd_create('types', 0)
export const id: number = shmget(1, 2, 3)
export const attached = (stat: shmid_ds): unknown => stat.shm_nattch
export const code = (error: unknown): string | undefined => (error instanceof ShmError ? error.code : undefined)
export const layout = struct

// @ts-expect-error A name is text.
PosixSegment.open(5)
// @ts-expect-error There is no such option.
PosixSegment.create('/types', { sizes: 5 })
// @ts-expect-error It is a number.
export const text: string = made.size
// @ts-expect-error There is no such entrance.
export type Inside = typeof import('shmem/dist/index.js')
`

const required = `import shmem = require('shmem')
export const bytes: number = shmem.PosixSegment.open('/types').size
// @ts-expect-error It is a number.
export const text: string = bytes
`

/** The files of the program. The package's own declarations are checked with it, as strictly. */
export function consumerFiles(options) {
  const compilerOptions = {
    ...options,
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
    // Of this clone: what is tried is the package, not whether types of Node.js can be installed.
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const files = { 'package.json': '{ "type": "module" }', 'tsconfig.json': JSON.stringify({ compilerOptions, include: ['*'] }), 'main.ts': program }
  return options.module === 'nodenext' ? { ...files, 'required.cts': required } : files
}
