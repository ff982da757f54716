/**
 * Descriptors to another process over a Unix socket (SCM_RIGHTS of unix(7)): how a memfd reaches a process that is no child.
 *
 * @module
 */

import * as check from '../arguments.js'
import { ShmError } from '../errors.js'
import { native } from '../native.js'
import { waitInSlices } from '../waits/waiting.js'

/** How long to wait. */
export interface PassOptions {
  /** Milliseconds; `Infinity` waits as long as it takes. @default 5000 */
  timeoutMs?: number | undefined
}

const RETRY_MS = 10

/**
 * Sends a descriptor to the process that waits in {@link receiveFd} at `socketPath`; the sender's stays open. Waits for the
 * receiver to be there. Any program that takes one byte with SCM_RIGHTS can receive (Python: `socket.recv_fds`).
 *
 * @param socketPath a path, or a name of the abstract namespace with a leading `@`
 * @throws {@link ShmError} ENOENT or ECONNREFUSED (nobody waits), EAGAIN (too many wait to be received), EBADF, EACCES
 */
export function sendFd(socketPath: string, fd: number, options?: PassOptions): void {
  const path = check.path('socketPath', socketPath)
  const number = check.descriptorNumber('fd', fd)
  const timeoutMs = passTimeout(options)
  let absent: unknown
  const sent = waitInSlices(timeoutMs, sliceMs => {
    try {
      native.sendFd(path, number)
      return true
    } catch (error) {
      if (!['ENOENT', 'ECONNREFUSED', 'EAGAIN'].includes((error as ShmError).code)) throw error
      absent = error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(sliceMs, RETRY_MS))
      return false
    }
  })
  if (!sent) throw absent
}

/**
 * Waits at `socketPath` for one descriptor, which is the caller's to close. The socket's file exists only meanwhile.
 *
 * @param socketPath a path, or a name of the abstract namespace with a leading `@`
 * @throws {@link ShmError} ETIMEDOUT, EADDRINUSE (the path is taken), EACCES, ENODATA (the peer sent none)
 */
export function receiveFd(socketPath: string, options?: PassOptions): number {
  const path = check.path('socketPath', socketPath)
  const timeoutMs = passTimeout(options)
  let received: number | null | undefined
  const receiver = native.listenForFd(path)
  try {
    waitInSlices(timeoutMs, sliceMs => (received = native.receiveFd(receiver, sliceMs)) != null)
  } finally {
    receiver.close()
  }
  if (received != null) return received
  throw new ShmError({
    code: 'ETIMEDOUT',
    errno: -110,
    syscall: 'recvmsg',
    path,
    message: `ETIMEDOUT: no descriptor came within ${timeoutMs} ms, recvmsg '${path}'`
  })
}

function passTimeout(value: unknown): number {
  const { timeoutMs = 5000 } = check.options<PassOptions>('options', value, ['timeoutMs'])
  return check.timeout('options.timeoutMs', timeoutMs)
}
