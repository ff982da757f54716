/**
 * A terminal on which text is drawn again and again in place, until Ctrl-C, `q`, or its end. In a pipe, and where nothing can be drawn, the texts follow each other, with an empty line between.
 */
import { printAll } from './output.js'

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const OTHER_SCREEN = '\x1b[?1049h'
const MAIN_SCREEN = '\x1b[?1049l'
const HOME = '\x1b[H'
const CLEAR_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** See the module. */
export interface Screen {
  readonly isOpen: boolean
  /** Aborted when it closes: a pause ends early. */
  readonly signal: AbortSignal
  draw(lines: string[]): void
  /** Idempotent. */
  close(): void
}

/** With `isQuiet` nothing is drawn, and Ctrl-C ends it all the same. */
export function drawInPlace(isQuiet: boolean): Screen {
  const closing = new AbortController()
  const inPlace = process.stdout.isTTY === true && process.env['TERM'] !== 'dumb' && !isQuiet
  const keys = inPlace && process.stdin.isTTY === true ? process.stdin : undefined
  let last: string[] | undefined
  const pressed = (key: Buffer): void => {
    // Raw mode hands Ctrl-C to us.
    if (['q', '\x03', '\x1b'].includes(key.toString())) close()
  }
  const close = (): void => {
    if (closing.signal.aborted) return
    closing.abort()
    for (const signal of ENDING) process.off(signal, close)
    keys?.off('data', pressed).setRawMode(false).unref()
    keys?.pause()
    if (!inPlace) return
    process.stdout.write(SHOW_CURSOR + MAIN_SCREEN)
    // What was seen last stays, as of other commands.
    if (last !== undefined) printAll(last)
  }
  for (const signal of ENDING) process.on(signal, close)
  keys?.setRawMode(true).on('data', pressed)
  if (inPlace) process.stdout.write(OTHER_SCREEN + HIDE_CURSOR)
  return {
    get isOpen() {
      return !closing.signal.aborted
    },
    signal: closing.signal,
    draw(lines) {
      if (inPlace) {
        const fitting = lines.slice(0, Math.max((process.stdout.rows || Infinity) - 1, 1))
        process.stdout.write(`${HOME}${fitting.map(line => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_BELOW}`)
      } else printAll(last === undefined ? lines : ['', ...lines])
      last = lines
    },
    close
  }
}
