/** The end of the show: what was handed over, and how fast each way was. */
import Table from 'cli-table3'
import { blockBytes, blocksPerRound } from './protocol.js'
import type { HandOverReport, WayReport } from './sender.js'

export function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toLocaleString('en-US', { maximumFractionDigits: bytes < 1e5 ? 6 : 1 })} MB`
}

/** The middle value; of an even count, the lower of the two. */
export function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN
}

/** GB/s at the median repeat. */
export function gigabytesPerSecond(report: WayReport): number {
  return report.sizeBytes / median(report.seconds) / 1e9
}

/** The text that `npm start` ends with. */
export function describeReport(report: HandOverReport): string {
  if (report.sizeBytes === 0) return `${report.label} is empty: there is nothing to hand over.\n`
  const transfers = report.ways.reduce((count, way) => count + way.seconds.length, 0)
  const endToEnd = report.ways.map((way) => `${way.way} ${median(way.endToEndSeconds).toPrecision(3)} s`).join('; ')
  return [
    `${report.label} went from one process to another ${transfers} times, in blocks of ${blockBytes / 1024 ** 2} MiB.`,
    `Every checksum was right: sha256 ${report.sha256}`,
    tableOf(report),
    `Clocked: rounds of ${blocksPerRound} blocks, laid ready in private memory (in place: in the shared memory), until the receiver`,
    `has touched every cache line. Median of ${report.ways[0]?.seconds.length ?? 0} repeats. × is against the Unix socket.`,
    `End to end, with reading the file and the checksum: ${endToEnd}.`,
    ...notes(report),
    '',
  ].join('\n')
}

function tableOf(report: HandOverReport): string {
  const socket = report.ways.find((way) => way.way === 'Unix socket')
  const table = new Table({
    head: ['way', 'bytes', 'seconds', 'GB/s', 'min–max', '×'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: process.stdout.isTTY && !process.env['NO_COLOR'] ? { head: ['bold'], border: ['grey'] } : { head: [], border: [] },
  })
  for (const way of report.ways) {
    const rates = way.seconds.map((seconds) => way.sizeBytes / seconds / 1e9)
    table.push([
      way.way,
      way.sizeBytes.toLocaleString('en-US'),
      median(way.seconds).toPrecision(3),
      gigabytesPerSecond(way).toPrecision(3),
      `${Math.min(...rates).toPrecision(3)}–${Math.max(...rates).toPrecision(3)}`,
      socket === undefined ? '' : (gigabytesPerSecond(way) / gigabytesPerSecond(socket)).toFixed(2),
    ])
  }
  return table.toString()
}

function notes(report: HandOverReport): string[] {
  const isCut = report.ways.some((way) => way.sizeBytes < report.sizeBytes)
  return isCut ? ['process.send carried only the beginning of the file: it would have taken too long.'] : []
}
