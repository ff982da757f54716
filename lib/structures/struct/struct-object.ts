/**
 * A struct that has a name in a managed segment.
 *
 * @module
 * @internal
 */

import { wrongSize, wrongType } from '../../errors.js'
import { ManagedObject, type Opened } from '../../membership/managed-object.js'
import { Struct, type StructDefinition, type StructView } from './struct.js'

const BYTES_MAX = 2 ** 32 - 1

/** Where it lies, and the view of it, which is what users see. */
export class StructObject extends ManagedObject {
  override readonly kind = 'struct'
  readonly #buffer: ArrayBuffer
  #view: { type: Struct; view: unknown } | undefined

  constructor(opened: Opened) {
    super(opened)
    this.#buffer = opened.buffer
  }

  /** One view a type. */
  viewAs<Definition extends StructDefinition>(type: Struct<Definition>): StructView<Struct<Definition>> {
    if (this.#view?.type !== type) this.#view = { type, view: type.at(this.#buffer, this.object.offset) }
    return this.#view.view as StructView<Struct<Definition>>
  }

  protected override ended(): void {
    this.#view = undefined
  }
}

/** The bytes of a type that was passed. */
export function bytesOf(type: Struct): number {
  if (!(type instanceof Struct)) throw wrongType('type', 'a struct', type)
  if (type.size > BYTES_MAX) throw wrongSize('type', `a struct of at most ${BYTES_MAX} bytes`, `${type.size} bytes`)
  return type.size
}
