/**
 * A POSIX shared memory object and three ways to map it: whole, only its second page, and read-only.
 *
 * Then one page of the whole is protected against writing, and opened again. Once mapped, no descriptor is needed any more.
 *
 *     npm run build && node dist/examples/posix-parts.js
 *
 * A run that was killed leaves /dev/shm/shmem-posix-parts-<its pid> behind.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { PosixSegment, type ShmError } from 'shmem'

const PAGE = 4096
const secondPage = { offset: PAGE, length: PAGE }

async function first(name: string): Promise<void> {
  const descriptors = openDescriptors()
  const whole = PosixSegment.create(name, { size: 3 * PAGE })
  try {
    console.log(`first: the whole object is ${whole.size} bytes, and keeps ${openDescriptors() - descriptors} descriptors open`)
    whole.write(PAGE, 'page two')
    const [code] = await once(fork(import.meta.filename, [name]), 'exit')
    if (code !== 0) throw new Error(`the second process ended with ${code}`)
    console.log(`first: in the whole it reads "${whole.read(PAGE, 8).toString()}"`)
    protect(whole)
  } finally {
    whole.close()
    whole.remove()
  }
}

/** The second process maps one page, the same page again for reading only, and changes it through the first mapping. */
function second(name: string): void {
  const page = PosixSegment.open(name, secondPage)
  const readOnly = PosixSegment.open(name, { ...secondPage, access: 'read' })
  try {
    console.log(`second: mapped ${page.size} bytes at offset ${page.offset}: "${page.read(0, 8).toString()}"`)
    page.write(0, 'PAGE TWO')
    console.log(`second: the read-only mapping shows "${readOnly.read(0, 8).toString()}"`)
    console.log(`second: writing to it is ${codeOf(() => readOnly.write(0, 'no'))}`)
  } finally {
    page.close()
    readOnly.close()
  }
}

function protect(whole: PosixSegment): void {
  const check = PosixSegment.open(whole.name, { ...secondPage, access: 'read' })
  try {
    whole.protect(secondPage, 'read')
    console.log(`first: protected: reading it is ${codeOf(() => whole.read(PAGE, 8))}`)
    whole.protect(secondPage, 'write')
    whole.write(PAGE, 'page 2.0')
    console.log(`first: restored and written: "${check.read(0, 8).toString()}"`)
    whole.protect(secondPage, 'read')
    // A view is plain memory and cannot throw. The next call does, and this mapping's page is a private copy from then on.
    whole.bytes.write('page 3.0', PAGE)
    console.log(`first: protected and written all the same: ${codeOf(() => whole.read(0, 1))}, and the object says "${check.read(0, 8).toString()}"`)
  } finally {
    check.close()
  }
}

function codeOf(action: () => unknown): string {
  try {
    action()
    return 'possible'
  } catch (error) {
    return (error as ShmError).code
  }
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

const name = process.argv[2]
if (name === undefined) await first(`/shmem-posix-parts-${process.pid}`)
else second(name)
