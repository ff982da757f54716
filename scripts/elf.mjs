/**
 * What a shared library says of itself, as elf(5) has it for 64 bits: its machine, what it needs, which versions of which symbols.
 * For the scripts that check what was built; imports no package.
 */
import { readFileSync } from 'node:fs'

const cpus = new Map([[62, 'x64'], [183, 'arm64']])
const DYNAMIC = 2
const NEEDED = 1
const UNDEFINED = 0
const WEAK = 2

/** @returns {{ cpu: string, needed: string[], versions: string[], undefinedSymbols: { name: string, version?: string, weak: boolean }[], exports: string[] }} */
export function readElf(path) {
  const bytes = readFileSync(path)
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2) throw new Error(`${path} is no ELF file of 64 bits`)
  const word = (at) => Number(bytes.readBigUInt64LE(at))
  const sections = Array.from({ length: bytes.readUInt16LE(60) }, (_, i) => {
    const at = word(40) + i * bytes.readUInt16LE(58)
    return { type: bytes.readUInt32LE(at + 4), offset: word(at + 24), size: word(at + 32), link: bytes.readUInt32LE(at + 40), info: bytes.readUInt32LE(at + 44) }
  })
  const section = (type) => sections.find((each) => each.type === type)
  const textAt = (at) => bytes.toString('latin1', at, bytes.indexOf(0, at))

  const symbolTable = section(11)
  const names = sections[symbolTable.link].offset
  const versionNames = versionsNeeded(bytes, section(0x6ffffffe), sections, textAt)
  const versionOf = section(0x6fffffff)
  const symbols = Array.from({ length: symbolTable.size / 24 }, (_, i) => {
    const at = symbolTable.offset + i * 24
    return {
      name: textAt(names + bytes.readUInt32LE(at)),
      version: versionOf && versionNames.get(bytes.readUInt16LE(versionOf.offset + i * 2) & 0x7fff),
      weak: bytes[at + 4] >> 4 === WEAK,
      isUndefined: bytes.readUInt16LE(at + 6) === UNDEFINED,
    }
  }).slice(1)

  return {
    cpu: cpus.get(bytes.readUInt16LE(18)) ?? `machine ${bytes.readUInt16LE(18)}`,
    needed: needed(bytes, word, textAt, names),
    versions: [...versionNames.values()],
    undefinedSymbols: symbols.filter(({ isUndefined }) => isUndefined).map(({ name, version, weak }) => ({ name, version, weak })),
    exports: symbols.filter(({ isUndefined }) => !isUndefined).map(({ name }) => name),
  }
}

/** The libraries of the dynamic section. */
function needed(bytes, word, textAt, names) {
  const headers = Array.from({ length: bytes.readUInt16LE(56) }, (_, i) => word(32) + i * bytes.readUInt16LE(54))
  const dynamic = headers.find((at) => bytes.readUInt32LE(at) === DYNAMIC)
  const found = []
  for (let at = word(dynamic + 8); word(at) !== 0; at += 16) {
    if (word(at) === NEEDED) found.push(textAt(names + word(at + 8)))
  }
  return found
}

/** The names of versions by their number in this file: SHT_GNU_verneed. */
function versionsNeeded(bytes, section, sections, textAt) {
  const found = new Map()
  if (section === undefined) return found
  const names = sections[section.link].offset
  let library = section.offset
  for (let i = 0; i < section.info; i++) {
    let entry = library + bytes.readUInt32LE(library + 8)
    for (let count = bytes.readUInt16LE(library + 2); count > 0; count--) {
      found.set(bytes.readUInt16LE(entry + 6), textAt(names + bytes.readUInt32LE(entry + 8)))
      entry += bytes.readUInt32LE(entry + 12)
    }
    library += bytes.readUInt32LE(library + 12)
  }
  return found
}
