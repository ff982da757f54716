/**
 * The same structs in C: random layouts, declared by `toC()`, lie where they lie in JavaScript, and each side reads what the other wrote. SHMEM_SEED
 * takes the place of the second seed.
 */
import test from 'ava'
import { PosixSegment } from 'shmem'
import { compileText, runC } from './support/c-program.js'
import { objectName } from './support/peer.js'
import { offsetsOf, programOf, randomFrom, randomStruct, readLeaf, writeLeaf } from './support/random-struct.js'

const COUNT = 60
const seeds = [1, Number(process.env['SHMEM_SEED'] ?? Date.now() % 2 ** 32)]

for (const [index, seed] of seeds.entries()) {
  test(`${COUNT} random layouts ${index + 1} are C's, byte for byte, and values cross both ways`, t => {
    const random = randomFrom(seed)
    const structs = Array.from({ length: COUNT }, () => randomStruct(random))
    const program = compileText(t, programOf(structs), ['-O0'])
    if (program === undefined) return
    t.log(`seed ${seed}`)
    const lines = runC(program, ['layout']).toString().trimEnd().split('\n')
    t.deepEqual(lines, structs.map(({ type }) => [type.size, type.align, ...type.fields.filter(({ size }) => size > 0).map(({ name }) => type.offsetOf(name))].join(' ')))

    const name = objectName(t)
    const offsets = offsetsOf(structs)
    using segment = PosixSegment.create(name, { size: offsets.at(-1) ?? 0 })
    const path = `/dev/shm${name}`
    const views = structs.map(({ type }, at) => type.at(segment, offsets[at]))

    runC(program, ['write', path])
    structs.forEach(({ leaves }, at) => {
      for (const leaf of leaves) t.deepEqual(readLeaf(leaf, views[at]), leaf.value, `seed ${seed}: C wrote ${at}${leaf.c}`)
    })

    // What was not written is noise: nothing is right by chance.
    segment.bytes.fill(0xa5)
    t.not(runC(program, ['check', path]).toString(), '')
    structs.forEach(({ leaves }, at) => {
      for (const leaf of leaves) writeLeaf(leaf, views[at])
    })
    t.is(runC(program, ['check', path]).toString(), '', `seed ${seed}`)
  })
}
