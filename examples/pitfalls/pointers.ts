/**
 * Pitfall: a pointer. What points into the memory of one process points nowhere in another.
 *
 * Wrong: an index into an array of one's own, or an address. Right: the thing itself in the shared memory, and its offset from the beginning.
 *
 *     npm run build && node dist/examples/pitfalls/pointers.js
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { PosixSegment, i32, offset, struct, text, u64 } from 'shmem'
import { mmap, munmap, shm_open, close, MAP_SHARED, O_RDWR, PROT_READ } from 'shmem/posix'

const Person = struct({ name: text(16) })
const Page = struct({ index: i32, address: u64, person: offset(Person) })

async function writer(name: string): Promise<void> {
  const segment = PosixSegment.create(name, { size: 4096 })
  try {
    const page = Page.at(segment, 0)
    // Wrong: names is an array of this process.
    const names = ['Ada', 'Grace']
    page.index = names.indexOf('Grace')
    // Wrong: an address, as a program in C might leave it.
    page.address = addressOf(name) + 1024n
    // Right: Grace herself is in the segment, and the field has her offset.
    Person.at(segment, 1024).name = 'Grace'
    page.person.offset = 1024
    console.log(`writer: index ${page.index} is ${names[page.index]}, offset ${page.person.offset} is ${page.person.target?.name}`)
    await once(fork(import.meta.filename, [name]), 'exit')
  } finally {
    segment.remove()
    segment.close()
  }
}

function reader(name: string): void {
  const segment = PosixSegment.open(name)
  const page = Page.at(segment, 0)
  const names: string[] = []
  console.log(`reader: index ${page.index} is ${names[page.index]}`)
  const begin = addressOf(name)
  console.log(`reader: the address is ${page.address >= begin && page.address < begin + 4096n ? 'inside' : 'outside'} of the memory, which lies elsewhere here`)
  console.log(`reader: offset ${page.person.offset} is ${page.person.target?.name}`)
  segment.close()
}

/** Where the object lies in this process. */
function addressOf(name: string): bigint {
  const fd = shm_open(name, O_RDWR, 0)
  const mapping = mmap(null, 4096, PROT_READ, MAP_SHARED, fd, 0)
  munmap(mapping)
  close(fd)
  return mapping.address
}

const [, , name] = process.argv
if (name === undefined) await writer(`/shmem-pointers-${process.pid}`)
else reader(name)
