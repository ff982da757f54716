/**
 * Descriptors: a segment's whereabouts as JSON, to pass by `postMessage`, `process.send`, an environment variable or a file.
 *
 * @module
 */

import type { Access } from './options.js'

interface Described {
  /** Bytes of the view. */
  size: number
  access: Access
}

/** Device and inode make sure that the object found is the object meant. */
interface DescribedObject extends Described {
  device: number
  inode: number
  offset: number
}

export interface SysvDescriptor extends Described {
  kind: 'sysv'
  id: number
  key: number
  access: 'read' | 'write'
}

export interface PosixDescriptor extends DescribedObject {
  kind: 'posix'
  name: string
}

/** The process that made it must live and keep it open until the other has opened it. */
export interface MemfdDescriptor extends DescribedObject {
  kind: 'memfd'
  pid: number
  fd: number
}

export interface FileDescriptor extends DescribedObject {
  kind: 'file'
  path: string
}

/** What `segment.descriptor` answers and {@link openDescriptor} takes. Plain JSON. */
export type Descriptor = SysvDescriptor | PosixDescriptor | MemfdDescriptor | FileDescriptor
