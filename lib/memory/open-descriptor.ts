/**
 * Opening what a descriptor describes, in a worker thread, a child process or a cluster process.
 *
 * @module
 */

import * as check from '../arguments.js'
import { ShmError, wrongType, wrongValue } from '../errors.js'
import { FileSegment } from './file-segment.js'
import { MemfdSegment } from './memfd-segment.js'
import { PosixSegment } from './posix-segment.js'
import { SysvSegment } from './sysv-segment.js'
import type { Descriptor, FileDescriptor, MemfdDescriptor, PosixDescriptor, SysvDescriptor } from './descriptor.js'
import { mapOptions, type MapOptions } from './options.js'

type Kind = PosixSegment | MemfdSegment | FileSegment | SysvSegment
type Options = Pick<MapOptions, 'access' | 'guard'>

/**
 * Opens the segment a descriptor describes, with a mapping of its own; close both. The access is the describer's unless another
 * is asked for.
 *
 * @throws {@link ShmError} what opening throws; `ERR_SHM_STALE_DESCRIPTOR` where the name, path, id or descriptor leads to
 * another object by now.
 */
export function openDescriptor(descriptor: MemfdDescriptor, options?: Pick<MapOptions, 'access' | 'guard'>): MemfdSegment
export function openDescriptor(descriptor: PosixDescriptor, options?: Pick<MapOptions, 'access' | 'guard'>): PosixSegment
export function openDescriptor(descriptor: FileDescriptor, options?: Pick<MapOptions, 'access' | 'guard'>): FileSegment
export function openDescriptor(descriptor: SysvDescriptor, options?: Pick<MapOptions, 'access' | 'guard'>): SysvSegment
export function openDescriptor(descriptor: Descriptor, options?: Pick<MapOptions, 'access' | 'guard'>): PosixSegment | MemfdSegment | FileSegment | SysvSegment
export function openDescriptor(descriptor: Descriptor, options?: Options): Kind {
  if (typeof descriptor !== 'object' || descriptor === null) throw wrongType('descriptor', 'what segment.descriptor answers', descriptor)
  const { access = descriptor.access, guard } = check.options<Options>('options', options, ['access', 'guard'])
  const common: MapOptions = { access, ...(guard === undefined ? {} : { guard }) }
  // Fields bent by hand are the caller's mistake; what goes wrong after this, the object's.
  if ('offset' in descriptor) mapOptions({ ...common, offset: descriptor.offset, length: descriptor.size })
  let segment: Kind
  try {
    segment = open(descriptor, common)
  } catch (error) {
    // Too small for the part, or empty: another object, or this one, shrunk.
    if (['ERR_OUT_OF_RANGE', 'ERR_SHM_EMPTY'].includes((error as ShmError).code)) throw stale(descriptor)
    throw error
  }
  return verified(descriptor, segment)
}

function open(descriptor: Descriptor, options: MapOptions): Kind {
  if (descriptor.kind === 'sysv') {
    return SysvSegment.attach(descriptor.id, options as Parameters<typeof SysvSegment.attach>[1])
  }
  const part: MapOptions = { ...options, offset: descriptor.offset, length: descriptor.size }
  switch (descriptor.kind) {
    case 'posix':
      return PosixSegment.open(descriptor.name, part)
    case 'file':
      return FileSegment.open(descriptor.path, part)
    case 'memfd':
      return descriptor.pid === process.pid
        ? MemfdSegment.fromFd(descriptor.fd, part)
        : MemfdSegment.fromProcess(descriptor.pid, descriptor.fd, part)
    default:
      throw wrongValue('descriptor.kind', 'one of "sysv", "posix", "memfd", "file"', (descriptor as { kind?: unknown }).kind)
  }
}

function verified(wanted: Descriptor, segment: Kind): Kind {
  const found = segment.descriptor
  const same =
    'inode' in wanted && 'inode' in found
      ? wanted.device === found.device && wanted.inode === found.inode
      : wanted.kind === found.kind && wanted.size === found.size
  if (same) return segment
  segment.close()
  throw stale(wanted)
}

function stale(wanted: Descriptor): ShmError {
  return new ShmError({
    code: 'ERR_SHM_STALE_DESCRIPTOR',
    message: `the descriptor of a ${wanted.kind} segment leads to another object, or to a smaller one, by now`
  })
}
