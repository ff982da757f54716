/**
 * `shmem dump`: bytes in hexadecimal. Beside those of a managed segment stands what they are: header, members, directory entries, objects.
 */
import { FileSegment, PosixSegment, SysvSegment, type ManagedSegment, type ObjectFacts, type ObjectKind, type Segment } from 'shmem'
import { EXIT, Usage } from './exit.js'
import { found, isPath, only } from './find.js'
import { observe, posixName } from './managed.js'
import { colored, columns, print, printJson } from './output.js'
import { escaped } from './words.js'

export interface DumpOptions {
  offset?: number
  length?: number
  kind?: ObjectKind
  json?: boolean
}

/** Bytes with a name. */
interface Region {
  offset: number
  bytes: number
  label: string
}

/** What is read from the memory. */
interface Source {
  sizeBytes: number
  read(offset: number, length: number): Buffer
}

/** So much of an object without parts is shown if nobody says how much. */
const LENGTH = 256
/** So much of each part of a managed segment. */
const PART_LENGTH = 64
const ROW = 16
/** What the columns of offset, bytes and text take. */
const LABEL_COLUMN = 65

export function dump(word: string, options: DumpOptions): number {
  const { segment, regions, close } = opened(word, options.kind)
  try {
    const source: Source = { sizeBytes: segment.size, read: (offset, length) => segment.read(offset, length) }
    const ranges = chosen(options, source, regions)
    if (options.json) printJson({ name: word, sizeBytes: source.sizeBytes, ranges: ranges.map(range => ({ ...range, hex: source.read(range.offset, range.bytes).toString('hex') })) })
    else print(...ranges.flatMap((range, index) => [...(isApart(ranges[index - 1], range) ? [''] : []), ...rows(source, range, regions)]), `${source.sizeBytes} bytes in all`)
    return EXIT.ok
  } finally {
    close()
  }
}

interface Opened {
  segment: Segment
  regions: Region[]
  close(): void
}

/** A managed segment with its parts, or anything else that has bytes, without. */
function opened(word: string, kind: ObjectKind | undefined): Opened {
  if (isPath(word)) return withParts(word, () => FileSegment.open(word, { access: 'read' }))
  const object = only(word, found(word, kind, false).filter(({ kind: of }, _, all) => all.length === 1 || !of.endsWith('semaphore')))
  if (object.kind === 'posix') return withParts(object.name, () => PosixSegment.open(posixName(object.name), { access: 'read' }))
  if (object.kind === 'sysv') return alone(attached(object))
  throw new Usage(`${word} is a ${object.kind}: only memory that has a name, a key or a path can be opened from here`)
}

function attached({ id = -1 }: ObjectFacts): Segment {
  return SysvSegment.attach(id, { access: 'read' })
}

function alone(segment: Segment): Opened {
  return { segment, regions: [], close: () => segment.close() }
}

function withParts(word: string, otherwise: () => Segment): Opened {
  try {
    const { mem, segment, close } = observe(word)
    return { segment, regions: regionsOf(mem), close }
  } catch (error) {
    const { code = '' } = error as { code?: string }
    // What makes it no managed segment for us leaves it bytes all the same.
    if (!code.startsWith('ERR_SHM_')) throw error
    return alone(otherwise())
  }
}

/** In the order of offsets; the heap's objects behind it. */
function regionsOf(mem: ManagedSegment): Region[] {
  const { parts } = mem
  const strideOf = (part: string): { offset: number; stride: number } => parts.find(one => one.part === part) ?? { offset: 0, stride: 0 }
  const table = strideOf('members')
  const directory = strideOf('directory')
  const { members, objects } = mem
  return [
    { offset: 0, bytes: parts[0]?.bytes ?? 0, label: 'header' },
    ...members.map(({ slot, pid, alive }) => ({ offset: table.offset + slot * table.stride, bytes: table.stride, label: `member ${pid}${alive ? '' : ' †'}` })),
    ...objects.map((_, index) => ({ offset: directory.offset + index * directory.stride, bytes: directory.stride, label: `entry ${index}` })),
    ...objects.map(({ name, kind, offset, bytes }) => ({ offset, bytes, label: `${kind} ${escaped(name)}` }))
  ].toSorted((a, b) => a.offset - b.offset)
}

/** The range that was asked for; else the beginnings of all parts, or of the object. */
function chosen({ offset, length }: DumpOptions, { sizeBytes }: Source, regions: Region[]): { offset: number; bytes: number; label?: string }[] {
  if (offset === undefined && length === undefined && regions.length > 0) {
    return regions.map(region => ({ ...region, bytes: Math.min(region.bytes, region.label.startsWith('entry') ? region.bytes : PART_LENGTH) }))
  }
  const from = offset ?? 0
  if (from >= sizeBytes) throw new Usage(`offset ${from} is beyond the end: there are ${sizeBytes} bytes`)
  return [{ offset: from, bytes: Math.min(length ?? LENGTH, sizeBytes - from) }]
}

function isApart(before: { offset: number; bytes: number } | undefined, { offset }: { offset: number }): boolean {
  return before !== undefined && before.offset + before.bytes !== offset
}

/** Lines of 16 bytes; a line as the one before is a `*`, if nothing new begins there. */
function rows(source: Source, range: { offset: number; bytes: number }, regions: Region[]): string[] {
  const lines: string[] = []
  let before = ''
  for (let offset = range.offset; offset < range.offset + range.bytes; offset += ROW) {
    const bytes = source.read(offset, Math.min(ROW, range.offset + range.bytes - offset))
    const label = labelAt(offset, offset === range.offset, regions)
    const hex = groups(bytes)
    if (hex === before && label === '') {
      if (lines.at(-1) !== '*') lines.push('*')
      continue
    }
    before = hex
    const line = `${offset.toString(16).padStart(8, '0')}  ${hex.padEnd(35)}  ${shown(bytes).padEnd(ROW)}`
    lines.push(label === '' ? line.trimEnd() : `${line}  ${colored('cyan', label.slice(0, Math.max(columns() - LABEL_COLUMN, 8)))}`)
  }
  return lines
}

/** What begins in this line; in a range's first line, what it is in the middle of. */
function labelAt(offset: number, isFirst: boolean, regions: Region[]): string {
  const begins = regions.find(region => region.offset >= offset && region.offset < offset + ROW)
  if (begins !== undefined || !isFirst) return begins?.label ?? ''
  const around = regions.find(region => region.offset < offset && offset < region.offset + region.bytes)
  return around === undefined ? '' : `in ${around.label}`
}

function groups(bytes: Buffer): string {
  return (bytes.toString('hex').match(/.{1,8}/gu) ?? []).join(' ')
}

function shown(bytes: Buffer): string {
  return bytes.toString('latin1').replaceAll(/[^\x20-\x7e]/gu, '.')
}
