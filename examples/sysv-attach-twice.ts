/**
 * One System V segment, attached twice by one process: for writing here, for reading there. The same memory at two addresses.
 *
 * The kernel counts attachments, not processes. The raw calls of `shmem/sysv` also attach it at an address of our choice.
 *
 *     npm run build && node dist/examples/sysv-attach-twice.js
 */
import { IPC_PRIVATE, SysvSegment, type ShmError } from 'shmem'
import { SHMLBA, SHM_RND, shmat, shmdt } from 'shmem/sysv'

// The kernel removes it with its last attachment: nothing is left, even if this program is killed.
const writable = SysvSegment.create(IPC_PRIVATE, { size: 100, removeOnLastDetach: true })
try {
  console.log(`created: attached ${writable.stat().attachCount} time(s)`)
  const readOnly = SysvSegment.attach(writable.id, { access: 'read' })
  try {
    twoViews(readOnly)
  } finally {
    readOnly.close()
  }
  console.log(`the second one closed: attached ${writable.stat().attachCount} time(s)`)
  chosenAddress()
} finally {
  writable.close()
}
try {
  SysvSegment.attach(writable.id)
} catch (error) {
  console.log(`all closed: the segment is gone, attaching is ${(error as ShmError).code}`)
}

function twoViews(readOnly: SysvSegment): void {
  console.log(`attached again, read-only: attached ${writable.stat().attachCount} time(s)`)
  writable.write(0, 'written here')
  console.log(`read there: "${readOnly.read(0, 12).toString()}"`)
  try {
    readOnly.write(0, 'no')
  } catch (error) {
    console.log(`writing there: ${(error as ShmError).code}`)
  }
}

/** shmat(2) with an address: SHM_RND rounds it down to a multiple of SHMLBA. */
function chosenAddress(): void {
  // Any free range will do; the kernel knows one. Once detached, it is free again.
  const found = shmat(writable.id)
  shmdt(found)
  const wish = found.address + 1234n
  const raw = shmat(writable.id, wish, SHM_RND)
  try {
    console.log(`shmat with SHM_RND: attached ${writable.stat().attachCount} time(s)`)
    console.log(`asked for an address ${wish % BigInt(SHMLBA)} bytes above a multiple of SHMLBA, got one ${raw.address % BigInt(SHMLBA)} above`)
    console.log(`read through it: "${Buffer.from(raw.buffer, 0, 12).toString()}"`)
  } finally {
    shmdt(raw)
  }
  try {
    shmdt(raw)
  } catch (error) {
    console.log(`a second shmdt: ${(error as ShmError).code}; a view over it has ${raw.buffer.byteLength} bytes`)
  }
}
