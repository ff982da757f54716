/**
 * Random structs with a random value for each of their leaves, and a C program that is told about them only by `toC()`: it prints where the
 * compiler put everything, writes the values, and compares them.
 */
import {
  Atomic32, Atomic64, OffsetPointer, array, atomicI32, atomicI64, atomicU32, atomicU64, bool, bytes, cacheLine, f32, f64, i16, i32, i64, i8, offset, pad,
  struct, text, u16, u32, u64, u8, type Struct, type StructField
} from 'shmem'

/** A value in a struct: where it is for C and in a view, and what it shall be. */
interface Leaf {
  /** An lvalue behind `p`. */
  c: string
  type: string
  value: unknown
  /** The object that has it, and under which key. */
  home(view: unknown): Record<string, unknown>
  key: string
}

/** A type, and the leaves of one field of it. */
interface Model {
  field: StructField
  leaves(c: string, home: Leaf['home'], key: string): Leaf[]
}

/** A random struct. */
export interface RandomStruct {
  type: Struct
  leaves: Leaf[]
}

type Random = () => number

const numbers = { i8, u8, i16, u16, i32, u32, i64, u64, f32, f64 }
const atomics = { atomicI32, atomicU32, atomicI64, atomicU64 }
const bits: Record<string, number> = { 8: 8, 16: 16, 32: 32, 64: 64 }

/** Numbers from 0 to below 1 that a seed decides (mulberry32). */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A struct of 1 to 9 fields; structs and arrays in it are at most so deep. */
export function randomStruct(random: Random, depth = 2): RandomStruct {
  const definition: Record<string, StructField> = {}
  const models: [string, Model][] = []
  const count = 1 + below(random, 9)
  for (let index = 0; index < count; index += 1) {
    const name = `${pick(random, ['a', 'value', '_x', 'padding', 'L'])}${index}`
    const hole = random()
    if (hole < 0.06) definition[`hole${index}`] = pad(1 + below(random, 9))
    else if (hole < 0.12) definition[`line${index}`] = cacheLine(pick(random, [64, 128] as const))
    const model = randomModel(random, depth)
    definition[name] = model.field
    models.push([name, model])
  }
  const leaves = models.flatMap(([name, model]) => model.leaves(`.${name}`, view => view as Record<string, unknown>, name))
  return { type: struct(definition), leaves }
}

function randomModel(random: Random, depth: number): Model {
  const kind = random()
  if (kind < 0.45) return single(pick(random, Object.entries(numbers)), random)
  if (kind < 0.55) return single(pick(random, Object.entries(atomics)), random)
  if (kind < 0.6) return single(['bool', bool], random)
  if (kind < 0.66) return single(['text', text(1 + below(random, 20))], random)
  if (kind < 0.72) return single(['bytes', bytes(1 + below(random, 20))], random)
  if (kind < 0.78 || depth === 0) return single(['offset', offset('self')], random)
  if (kind < 0.9) return arrayOf(random, depth)
  const { type, leaves } = randomStruct(random, depth - 1)
  return { field: type, leaves: (c, home, key) => leaves.map(leaf => ({ ...leaf, c: `${c}${leaf.c}`, home: view => leaf.home(home(view)[key]) })) }
}

function arrayOf(random: Random, depth: number): Model {
  let element = randomModel(random, depth - 1)
  while (/^(bool|text)/u.test(element.field.type)) element = randomModel(random, depth - 1)
  const count = 1 + below(random, 4)
  return {
    field: array(element.field, count),
    leaves: (c, home, key) => Array.from({ length: count }, (_, index) =>
      element.leaves(`${c}[${index}]`, view => home(view)[key] as Record<string, unknown>, String(index))).flat()
  }
}

function single([type, field]: [string, StructField], random: Random): Model {
  return { field, leaves: (c, home, key) => [{ c, type, home, key, value: randomValue(random, type, field.size) }] }
}

function randomValue(random: Random, type: string, size: number): unknown {
  if (type === 'bool') return random() < 0.5
  if (type === 'offset') return 0
  if (type === 'bytes') return Uint8Array.from({ length: size }, () => below(random, 256))
  if (type === 'text') return randomText(random, size)
  if (type === 'f32') return Math.fround((random() - 0.5) * 2 ** below(random, 60))
  if (type === 'f64') return (random() - 0.5) * 2 ** below(random, 200)
  const width = bits[/\d+/u.exec(type)?.[0] ?? ''] ?? 0
  const raw = BigInt.asUintN(width, (BigInt(below(random, 2 ** 32)) << 32n) | BigInt(below(random, 2 ** 32)))
  const edge = random() < 0.2 ? BigInt.asUintN(width, pick(random, [0n, -1n, 1n << BigInt(width - 1)])) : raw
  const value = /^(atomic)?[iI]/u.test(type) ? BigInt.asIntN(width, edge) : edge
  return width === 64 ? value : Number(value)
}

function randomText(random: Random, size: number): string {
  let made = ''
  for (;;) {
    const longer = made + pick(random, ['a', 'Z', '0', ' ', '"', '\\', 'é', '€', '😀'])
    if (Buffer.byteLength(longer) > size || random() < 0.1) return made
    made = longer
  }
}

/** What a leaf of a view is now. */
export function readLeaf(leaf: Leaf, view: unknown): unknown {
  const found = leaf.home(view)[leaf.key]
  if (found instanceof Atomic32 || found instanceof Atomic64) return found.load()
  if (found instanceof OffsetPointer) return found.offset
  return leaf.type === 'bytes' ? Uint8Array.from(found as Uint8Array) : found
}

/** Makes a leaf of a view what it shall be. */
export function writeLeaf(leaf: Leaf, view: unknown): void {
  const home = leaf.home(view)
  const found = home[leaf.key]
  if (found instanceof Atomic32) found.store(leaf.value as number)
  else if (found instanceof Atomic64) found.store(leaf.value as bigint)
  else if (found instanceof OffsetPointer) found.offset = leaf.value as number
  else if (leaf.type === 'bytes') (found as Uint8Array).set(leaf.value as Uint8Array)
  else home[leaf.key] = leaf.value
}

/**
 * The program. `layout` prints a line for each struct: size, alignment, offsets of the fields that take memory. `write <file>` fills the structs, which follow
 * each other from offset 0 of the file at multiples of 128, and `check <file>` prints each leaf that is not what it shall be.
 */
export function programOf(structs: RandomStruct[]): string {
  const head = ['#define _GNU_SOURCE', '#include <fcntl.h>', '#include <stdio.h>', '#include <string.h>', '#include <sys/mman.h>', '#include <sys/stat.h>']
  const declared = structs.map(({ type }, index) => type.toC(`L${index}`))
  const functions = structs.map(({ leaves, type }, index) => [
    `static void print_${index}(void) {`,
    `  printf("%zu %zu", sizeof(L${index}), __alignof__(L${index}));`,
    ...type.fields.filter(({ size }) => size > 0).map(({ name }) => `  printf(" %zu", offsetof(L${index}, ${name}));`),
    '  puts("");', '}',
    `static void write_${index}(L${index} *p) {`, ...leaves.map(leaf => `  ${writes(leaf)}`), '}',
    `static void check_${index}(const L${index} *p) {`, ...leaves.map(leaf => `  if (!(${holds(leaf)})) puts("${index}${leaf.c}");`), '}'
  ].join('\n'))
  const all = (call: (index: number) => string): string => structs.map((_, index) => `    ${call(index)}`).join('\n')
  const offsets = offsetsOf(structs)
  const main = `int main(int argc, char **argv) {
  if (argc == 2) {
${all(index => `print_${index}();`)}
    return 0;
  }
  int fd = open(argv[2], O_RDWR);
  struct stat found;
  if (fd < 0 || fstat(fd, &found) != 0) return 1;
  char *base = mmap(NULL, found.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) return 1;
  if (strcmp(argv[1], "write") == 0) {
${all(index => `write_${index}((L${index} *)(base + ${offsets[index]}));`)}
  } else {
${all(index => `check_${index}((const L${index} *)(base + ${offsets[index]}));`)}
  }
  return 0;
}`
  return [...head, ...declared, ...functions, main, ''].join('\n')
}

/** Where each struct begins; the last is the end of all. */
export function offsetsOf(structs: RandomStruct[]): number[] {
  const offsets = [0]
  for (const { type } of structs) offsets.push(Math.ceil(((offsets.at(-1) ?? 0) + type.size) / 128) * 128)
  return offsets
}

function writes({ c, type, value }: Leaf): string {
  if (type === 'text') return `memset(p->${c.slice(1)}, 0, sizeof p->${c.slice(1)}); memcpy(p->${c.slice(1)}, ${cBytes(Buffer.from(value as string))}, ${Buffer.byteLength(value as string)});`
  if (type === 'bytes') return `memcpy(p->${c.slice(1)}, ${cBytes(value as Uint8Array)}, ${(value as Uint8Array).length});`
  return `p->${c.slice(1)} = ${cValue(type, value)};`
}

function holds({ c, type, value }: Leaf): string {
  const place = `p->${c.slice(1)}`
  if (type === 'text') {
    const size = Buffer.byteLength(value as string)
    return `memcmp(${place}, ${cBytes(Buffer.from(value as string))}, ${size}) == 0 && (sizeof ${place} == ${size} || memchr(${place}, 0, sizeof ${place}) == ${place} + ${size})`
  }
  if (type === 'bytes') return `memcmp(${place}, ${cBytes(value as Uint8Array)}, ${(value as Uint8Array).length}) == 0`
  return `${place} == ${cValue(type, value)}`
}

function cBytes(all: Uint8Array): string {
  return `"${Array.from(all, byte => `\\${byte.toString(8).padStart(3, '0')}`).join('')}"`
}

function cValue(type: string, value: unknown): string {
  if (type === 'f64') return `(double)${Number(value).toExponential(17)}`
  if (type === 'f32') return `(float)${Number(value).toExponential(17)}`
  if (type === 'bool') return value === true ? 'true' : 'false'
  // -2^63 has no literal of its own.
  if (value === -(2n ** 63n)) return 'INT64_MIN'
  const isUnsigned = type === 'offset' || /u/iu.test(type)
  return `${typeof value === 'number' ? value : (value as bigint)}${isUnsigned ? 'ULL' : 'LL'}`
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit)
}

function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[below(random, items.length)]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}
