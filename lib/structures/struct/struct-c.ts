/**
 * Layouts as C declarations. All padding is written out, so nothing is left to the compiler, and the assertions let it check that.
 *
 * @module
 * @internal
 */

import { NUMBERS, targetOf, type Layout, type Slot, type StructField } from './struct-fields.js'

/** A header that declares a struct, after those that it contains. */
export function declareC(name: string, struct: StructField): string {
  const file = new CFile()
  file.nameOf(struct, name)
  return `${['#include <assert.h>', '#include <stdbool.h>', '#include <stddef.h>', '#include <stdint.h>', ...file.declarations].join('\n')}\n`
}

class CFile {
  readonly declarations: string[] = []
  readonly #names = new Map<Layout, string>()

  /** What a struct is called here; `wish` where it has no name yet. */
  nameOf(struct: StructField, wish: string): string {
    const { spec } = struct
    if (spec.kind !== 'struct') throw new TypeError(`${struct.type} is no struct`)
    const known = this.#names.get(spec.layout)
    if (known !== undefined) return known
    this.#names.set(spec.layout, wish)
    const body = this.#body(wish, spec.layout)
    this.declarations.push('', ...body, ...assertions(wish, spec.layout))
    return wish
  }

  #body(name: string, layout: Layout): string[] {
    const lines: string[] = []
    const used = new Set(layout.slots.map(slot => slot.name))
    let [end, natural, paddings] = [0, 1, 0]
    const fill = (until: number): void => {
      if (until === end) return
      do paddings += 1
      while (used.has(`padding${paddings}`))
      lines.push(`  uint8_t padding${paddings}[${until - end}];`)
    }
    for (const slot of layout.slots) {
      fill(slot.offset)
      if (slot.size > 0) lines.push(`  ${this.#member(name, slot, layout)}`)
      end = slot.offset + slot.size
      if (slot.field.spec.kind !== 'line') natural = Math.max(natural, slot.field.align)
    }
    fill(layout.size)
    const aligned = layout.align > natural ? `__attribute__((aligned(${layout.align}))) ` : ''
    return [`typedef struct ${aligned}${name} {`, ...lines, `} ${name};`]
  }

  #member(home: string, { name, field, size }: Slot, layout: Layout): string {
    const { spec } = field
    if (spec.kind === 'pad' || spec.kind === 'line') return `uint8_t ${name}[${size}];`
    const note = remark(innermost(field), layout)
    return `${this.#type(field, `${home}_${name}`)} ${name}${dimensions(field)};${note === '' ? '' : ` /* ${note} */`}`
  }

  /** The type of one element. */
  #type(field: StructField, wish: string): string {
    const { spec } = field
    switch (spec.kind) {
      case 'number':
      case 'atomic':
        return NUMBERS[spec.number].c
      case 'array':
        return this.#type(spec.element, wish)
      case 'struct':
        return this.nameOf(field, wish)
      case 'bool':
        return 'bool'
      case 'text':
        return 'char'
      case 'offset':
        return 'uint64_t'
      default:
        return 'uint8_t'
    }
  }
}

/** Behind the name. */
function dimensions({ spec, size }: StructField): string {
  if (spec.kind === 'array') return `[${spec.count}]${dimensions(spec.element)}`
  return spec.kind === 'text' || spec.kind === 'bytes' ? `[${size}]` : ''
}

function innermost(field: StructField): StructField {
  return field.spec.kind === 'array' ? innermost(field.spec.element) : field
}

/** What C's type does not say. */
function remark(field: StructField, home: Layout): string {
  const { spec } = field
  if (spec.kind === 'atomic') return 'atomic: by __atomic_load_n and its like'
  if (spec.kind === 'text') return 'UTF-8, filled up with NUL; without one where it is full'
  if (spec.kind !== 'offset') return ''
  const target = targetOf(field, home)
  return `from the beginning of the mapping, 0 for none: a struct of ${target === 'self' ? home.size : target.size} bytes`
}

function assertions(name: string, { slots, size, align }: Layout): string[] {
  const assert = (claim: string): string => `static_assert(${claim}, "${name} is not laid out as in JavaScript");`
  return [
    assert(`sizeof(${name}) == ${size}`),
    assert(`${alignOf(name)} == ${align}`),
    ...slots.filter(slot => slot.size > 0).map(slot => assert(`offsetof(${name}, ${slot.name}) == ${slot.offset}`))
  ]
}

/** What C11 and C++11, which spell it differently, both have in gcc and clang. */
function alignOf(name: string): string {
  return `__alignof__(${name})`
}
