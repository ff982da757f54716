/** Progress on standard error: a bar on a terminal, a line every tenth elsewhere. */
import { SingleBar } from 'cli-progress'
import { inMegabytes } from './table.js'

export interface Progress {
  update: (doneBytes: number, totalBytes: number | undefined) => void
  /** May be called more than once. */
  close: () => void
}

export function openProgress(): Progress {
  return process.stderr.isTTY ? openBar() : openLines()
}

function openBar(): Progress {
  const bar = new SingleBar({
    format: 'handing over {bar} {percentage}% | {done} of {total_}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    clearOnComplete: true,
  })
  let isOpen = false
  return {
    update(doneBytes, totalBytes) {
      // A stream's end is unknown: the bar then stays full, and the number beside it grows.
      const total = totalBytes ?? doneBytes
      const words = { done: inMegabytes(doneBytes), total_: totalBytes === undefined ? 'a stream' : inMegabytes(totalBytes) }
      if (!isOpen) bar.start(total, doneBytes, words)
      isOpen = true
      bar.setTotal(total)
      bar.update(doneBytes, words)
    },
    close() {
      if (isOpen) bar.stop()
      isOpen = false
    },
  }
}

function openLines(): Progress {
  let nextTenth = 1
  return {
    update(doneBytes, totalBytes) {
      if (totalBytes === undefined || doneBytes < (totalBytes * nextTenth) / 10) return
      const tenth = Math.floor((doneBytes / totalBytes) * 10)
      nextTenth = tenth + 1
      process.stderr.write(`handed over ${tenth * 10} %: ${inMegabytes(doneBytes)} of ${inMegabytes(totalBytes)}\n`)
    },
    close() {},
  }
}
