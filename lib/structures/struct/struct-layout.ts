/**
 * Where the fields of a struct lie: C's rules of x86-64 and arm64 Linux, in which everything is aligned to its own size, an array to its element
 * and a struct to its strictest field. And the hash of a layout, which tells two apart.
 *
 * @module
 * @internal
 */

import { wrongSize, wrongType, wrongValue } from '../../errors.js'
import { SIZE_MAX, fieldOf, targetOf, type Layout, type Slot, type StructField } from './struct-fields.js'

const C_KEYWORDS = new Set(
  (
    'auto break case char const continue default do double else enum extern float for goto if inline int long register restrict return short ' +
    'signed sizeof static struct switch typedef union unsigned void volatile while bool true false nullptr alignas alignof constexpr ' +
    'static_assert thread_local typeof asm'
  ).split(' ')
)

/** What a view has besides its fields. */
const RESERVED = new Set([...Object.getOwnPropertyNames(Object.prototype), 'toJSON', 'then'])

/** Structs that the hash of one may name. */
const REACHABLE_MAX = 4096

/** Checks a definition, and lays it out. */
export function layOut(definition: unknown): Layout {
  if (typeof definition !== 'object' || definition === null || Array.isArray(definition)) throw wrongType('definition', 'an object of fields', definition)
  if (Object.getOwnPropertySymbols(definition).length > 0) throw wrongValue('definition', 'an object without symbols, which C has no names for', definition)
  const slots: Slot[] = []
  let [end, align] = [0, 1]
  for (const [name, value] of Object.entries(definition) as [string, unknown][]) {
    refuseName(name)
    const field = fieldOf(`definition.${name}`, value)
    const offset = field.spec.kind === 'line' ? end : roundUp(end, field.align)
    const size = field.spec.kind === 'line' ? roundUp(end, field.align) - end : field.size
    slots.push({ name, field, offset, size })
    end = offset + size
    align = Math.max(align, field.align)
  }
  if (end === 0) throw wrongValue('definition', 'an object of at least one field that takes memory', definition)
  if (end > SIZE_MAX) throw wrongSize('definition', `a struct of at most ${SIZE_MAX} bytes`, `${end} bytes`)
  return { slots, size: roundUp(end, align), align }
}

/** A name that C can have, and views have free. */
function refuseName(name: string): void {
  if (!isCName(name)) throw wrongValue(`definition.${name}`, 'a name in C: letters, digits and _, no digit first, no keyword', name)
  if (RESERVED.has(name)) throw wrongValue(`definition.${name}`, 'a name that objects do not have anyway, such as "constructor"', name)
}

/** Whether C can call something so. */
export function isCName(name: string): boolean {
  return /^[A-Za-z_]\w*$/u.test(name) && !C_KEYWORDS.has(name)
}

/** What appears in a view: all but padding. */
export function visible(slots: readonly Slot[]): Slot[] {
  return slots.filter(({ field }) => field.spec.kind !== 'pad' && field.spec.kind !== 'line')
}

/** Without a division, after which V8 may keep a whole number as a float, and use it slowly as an index. */
function roundUp(value: number, multiple: number): number {
  return value + ((multiple - (value % multiple)) % multiple)
}

/**
 * A layout as text, which is the same for two layouts that agree in names, types, offsets and sizes of everything that can be reached through
 * it: a line `#<index> <size>` for each struct, the first for this one, and after it a line `<name> <type> <offset>` for each field but padding. Types are
 * as in the definition, with `#<index>` for a struct and `offset(#<index>)` for a pointer to one. Structs count in the order in which they are named.
 */
export function canonicalText(first: Layout): string {
  const layouts = [first]
  const indexOf = (layout: Layout): string => {
    if (!layouts.includes(layout)) layouts.push(layout)
    // Pointers whose functions make a new struct each time lead on for ever.
    if (layouts.length > REACHABLE_MAX) throw wrongValue('definition', `a struct from which at most ${REACHABLE_MAX} others are reached: define each of them once`, 'more')
    return `#${layouts.indexOf(layout)}`
  }
  const typeOf = (field: StructField, home: Layout): string => {
    const { spec } = field
    if (spec.kind === 'struct') return indexOf(spec.layout)
    if (spec.kind === 'array') return `array(${typeOf(spec.element, home)}, ${spec.count})`
    return spec.kind === 'offset' ? `offset(${indexOf(targetLayout(field, home))})` : field.type
  }
  const lines: string[] = []
  // It grows meanwhile.
  for (const layout of layouts) {
    lines.push(`${indexOf(layout)} ${layout.size}`)
    for (const { name, field, offset } of visible(layout.slots)) lines.push(`${name} ${typeOf(field, layout)} ${offset}`)
  }
  return lines.join('\n')
}

function targetLayout(pointer: StructField, home: Layout): Layout {
  const target = targetOf(pointer, home)
  return target !== 'self' && target.spec.kind === 'struct' ? target.spec.layout : home
}

/** FNV-1a of 64 bits over a text's UTF-8. */
export function fnv1a64(text: string): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash
}
