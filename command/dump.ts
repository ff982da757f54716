/**
 * `shmem dump`: bytes in hexadecimal. Beside those of a managed segment stands what they are: header, members, directory entries, objects.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { SysvSegment, type ManagedSegment, type ObjectKind } from 'shmem'
import { EXIT, Usage } from './exit.js'
import { found, isPath, only } from './find.js'
import { observe } from './managed.js'
import { colored, columns, print, printAll, printJson } from './output.js'
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

/** Where the bytes come from. */
interface Source {
  sizeBytes: number
  /** Fewer bytes where the object became shorter. */
  read(offset: number, length: number): Buffer
  close(): void
}

/** So much of an object without parts is shown if nobody says how much. */
const LENGTH = 256
/** So much of each part of a managed segment. */
const PART_LENGTH = 64
const ROW = 16
/** So much is read at once. */
const CHUNK_LENGTH = 4096 * ROW
/** A string holds no more than eight times that as hexadecimal digits. */
const JSON_LENGTH = 64 * 2 ** 20
/** What the columns of offset, bytes and text take. */
const LABEL_COLUMN = 65

export async function dump(word: string, options: DumpOptions): Promise<number> {
  const { source, regions } = opened(word, options.kind)
  try {
    const ranges = chosen(options, source, regions)
    if (options.json) printJson({ name: word, sizeBytes: source.sizeBytes, ranges: inHex(ranges, source) })
    else await printRows(ranges, source, regions)
    return EXIT.ok
  } finally {
    source.close()
  }
}

function inHex(ranges: Range[], source: Source): (Range & { hex: string })[] {
  const bytes = ranges.reduce((sum, range) => sum + range.bytes, 0)
  if (bytes > JSON_LENGTH) throw new Usage(`as JSON no more than ${JSON_LENGTH} bytes can be had at once: say --offset and --length`)
  return ranges.map(range => ({ ...range, hex: source.read(range.offset, range.bytes).toString('hex') }))
}

async function printRows(ranges: Range[], source: Source, regions: Region[]): Promise<void> {
  for (const [index, range] of ranges.entries()) {
    if (isApart(ranges[index - 1], range)) print('')
    for (const lines of rows(source, range, regions)) {
      printAll(lines)
      // Here it ends if the reader of the pipe has left.
      await turn()
    }
  }
  print(`${source.sizeBytes} bytes in all`)
}

interface Opened {
  source: Source
  regions: Region[]
}

/** A managed segment with its parts, or anything else that has bytes, without. */
function opened(word: string, kind: ObjectKind | undefined): Opened {
  if (isPath(word)) return { source: ofFile(word), regions: partsOf(word) }
  const all = found(word, kind, false)
  const memory = all.filter(one => !one.kind.endsWith('semaphore'))
  const object = only(word, memory.length > 0 ? memory : all)
  if (object.kind === 'posix' && object.path !== undefined) {
    // Looking for parts maps the front, which would make a page of a hole.
    return { source: ofFile(object.path), regions: object.managed === true ? partsOf(object.name) : [] }
  }
  if (object.kind === 'sysv' && object.id !== undefined) return { source: ofSysv(object.id), regions: [] }
  throw new Usage(`${word} is a ${object.kind}: only memory that has a name, a key or a path can be opened from here`)
}

/** Not through a mapping: to look at pages that nobody has written would make them. */
function ofFile(path: string): Source {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  const stat = fstatSync(fd)
  const close = (): void => closeSync(fd)
  if (!stat.isFile()) {
    close()
    throw new Error(`${path} is no regular file`)
  }
  return {
    sizeBytes: stat.size,
    read(offset, length) {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(0, readSync(fd, bytes, 0, length, offset))
    },
    close
  }
}

function ofSysv(id: number): Source {
  const segment = SysvSegment.attach(id, { access: 'read' })
  return { sizeBytes: segment.size, read: (offset, length) => segment.read(offset, length), close: () => segment.close() }
}

/** None where it is no managed segment, or none that can be understood: it has bytes all the same. */
function partsOf(word: string): Region[] {
  try {
    const { mem, close } = observe(word)
    try {
      return regionsOf(mem)
    } finally {
      close()
    }
  } catch {
    return []
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

/** What is shown. */
type Range = Omit<Region, 'label'> & { label?: string }

/** The range that was asked for; else the beginnings of all parts, or of the object. */
function chosen({ offset, length }: DumpOptions, { sizeBytes }: Source, regions: Region[]): Range[] {
  if (offset === undefined && length === undefined && regions.length > 0) {
    return regions.map(region => ({ ...region, bytes: Math.min(region.bytes, region.label.startsWith('entry') ? region.bytes : PART_LENGTH) }))
  }
  const from = offset ?? 0
  if (from >= sizeBytes && from > 0) throw new Usage(`offset ${from} is beyond the end: there are ${sizeBytes} bytes`)
  return [{ offset: from, bytes: Math.min(length ?? LENGTH, sizeBytes - from) }]
}

function isApart(before: { offset: number; bytes: number } | undefined, { offset }: { offset: number }): boolean {
  return before !== undefined && before.offset + before.bytes !== offset
}

/** Lines of 16 bytes, chunk by chunk; a line as the one before is a `*`, if nothing new begins there. */
function* rows(source: Source, range: Range, regions: Region[]): Generator<string[]> {
  const end = range.offset + range.bytes
  let before = ''
  let isRepeated = false
  for (let from = range.offset; from < end; from += CHUNK_LENGTH) {
    const chunk = source.read(from, Math.min(CHUNK_LENGTH, end - from))
    const lines: string[] = []
    for (let at = 0; at < chunk.length; at += ROW) {
      const offset = from + at
      const bytes = chunk.subarray(at, at + ROW)
      const label = labelAt(offset, offset === range.offset, regions)
      const hex = groups(bytes)
      if (hex === before && label === '') {
        if (!isRepeated) lines.push('*')
        isRepeated = true
        continue
      }
      before = hex
      isRepeated = false
      const line = `${offset.toString(16).padStart(8, '0')}  ${hex.padEnd(35)}  ${shown(bytes).padEnd(ROW)}`
      lines.push(label === '' ? line.trimEnd() : `${line}  ${colored('cyan', label.slice(0, Math.max(columns() - LABEL_COLUMN, 8)))}`)
    }
    yield lines
  }
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
