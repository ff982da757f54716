/**
 * Descriptors: a segment's whereabouts as JSON, to pass by `postMessage`, `process.send`, an environment variable or a file.
 *
 * @module
 */

import type { Access } from './options.js'

interface Described {
  /** Bytes of the view. */
  size: number
  /** How it is to be opened. */
  access: Access
}

/** Device and inode make sure that the object found is the object meant. */
interface DescribedObject extends Described {
  /** The device of its file system. */
  device: number
  /** Its inode. */
  inode: number
  /** Where in the object the view begins. */
  offset: number
}

/** A System V segment. */
export interface SysvDescriptor extends Described {
  /** Which kind it is. */
  kind: 'sysv'
  /** The kernel's identifier. */
  id: number
  /** The key; 0 for IPC_PRIVATE. */
  key: number
  /** How it is to be opened. */
  access: 'read' | 'write'
}

/** A POSIX object. */
export interface PosixDescriptor extends DescribedObject {
  /** Which kind it is. */
  kind: 'posix'
  /** The name, with its slash. */
  name: string
}

/** The process that made it must live and keep it open until the other has opened it. */
export interface MemfdDescriptor extends DescribedObject {
  /** Which kind it is. */
  kind: 'memfd'
  /** The process that has it open. */
  pid: number
  /** Its number there. */
  fd: number
}

/** A file. */
export interface FileDescriptor extends DescribedObject {
  /** Which kind it is. */
  kind: 'file'
  /** The absolute path. */
  path: string
}

/** What `segment.descriptor` answers and {@link openDescriptor} takes. Plain JSON. */
export type Descriptor = SysvDescriptor | PosixDescriptor | MemfdDescriptor | FileDescriptor
