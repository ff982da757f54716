/**
 * Pitfall: forgotten removal. The end of a program ends its variables, not what it made under a name.
 *
 * Wrong: a program makes an object and just ends. Right: `remove()` as soon as everybody has it, which takes nothing from those who have; or a memfd,
 * which has no name.
 *
 *     npm run build && node dist/examples/pitfalls/forgotten-removal.js
 */
import { spawnSync } from 'node:child_process'
import { MemfdSegment, PosixSegment, list, openDescriptor } from 'shmem'

const [, , verb, name = `/shmem-forgotten-${process.pid}`] = process.argv
if (verb === 'forget') PosixSegment.create(name, { size: '1MiB' })
else main()

function main(): void {
  // Wrong.
  console.log(`before the first run: ${mebibytes()} MiB of RAM`)
  for (const run of ['first', 'second']) {
    const { stderr } = spawnSync(process.execPath, [import.meta.filename, 'forget', name], { encoding: 'utf8' })
    console.log(`after the ${run} run: ${mebibytes()} MiB of RAM, ${/code: '(\w+)'/u.exec(stderr)?.[1] ?? 'no error'}`)
  }

  // Right: found, and removed while it is in use.
  const segment = PosixSegment.open(name)
  segment.remove()
  segment.write(0, 'still here')
  console.log(`removed: ${segment.read(0, 10)}`)
  segment.close()
  console.log(`closed: ${mebibytes()} MiB of RAM`)

  // Right: no name, nothing to forget. Others get the descriptor.
  const mine = MemfdSegment.create('nameless', { size: '1MiB' })
  const theirs = openDescriptor(mine.descriptor)
  mine.write(0, 'no name')
  console.log(`memfd: ${theirs.read(0, 7)}`)
  theirs.close()
  mine.close()
}

/** What lies under the name. */
function mebibytes(): number {
  return (list({ kinds: ['posix'] }).find(({ path }) => path === `/dev/shm${name}`)?.residentBytes ?? 0) / 2 ** 20
}
