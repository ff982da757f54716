/**
 * The command as a user runs it: bin/shmem.js in a room of its own, with or without the objects of `children/command-stage.ts`.
 */
import { existsSync, readFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { ending, openRoom, type Ended, type Room, type Scope } from './example-room.js'
import { whyNotPrivate } from './namespace.js'
import { programFile } from './scenario.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
/** What users start. */
export const command = join(root, 'bin/shmem.js')

/** Why the command cannot be shown among known objects here, or nothing. */
export const whyNoStage = existsSync(command) ? whyNotPrivate() : 'bin/shmem.js is missing: npm run build:command'

/** How a command is run. */
export interface RunOptions {
  /** Columns that it is told of. @default none: a pipe has no end */
  columns?: number
  /** A command in front of it, as `namespace.ts` makes them. */
  prefix?: string[]
  env?: Record<string, string>
}

/** What happens at a terminal. */
export interface TerminalOptions {
  typed?: string
  /** @default a question */
  when?: string
  env?: Record<string, string>
}

/** A room in which commands run. */
export class Shell {
  constructor(readonly room: Room) {}

  /** Runs `shmem` with these words, in a pipe and without a terminal to ask. */
  shmem(words: string[], { columns, prefix = [], env = {} }: RunOptions = {}): Promise<Ended> {
    const set = Object.entries({ ...env, ...(columns === undefined ? {} : { COLUMNS: String(columns) }) }).map(([name, value]) => `${name}=${value}`)
    return this.room.run([...prefix, 'env', '-u', 'COLUMNS', '-u', 'NO_COLOR', '-u', 'FORCE_COLOR', ...set, process.execPath, command, ...words])
  }

  /** The same on a terminal of script(1), whose user types `typed` at the sight of `when`. */
  async onTerminal(words: string[], { typed = '', when = '[y/N] ', env = {} }: TerminalOptions = {}): Promise<Ended> {
    // Node paints nothing where CI is set.
    const unset = ['NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'CI', 'COLUMNS'].flatMap(name => ['-u', name])
    const line = ['env', ...unset, 'TERM=xterm', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), process.execPath, command, ...words]
    const quoted = line.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    const child = this.room.start(['script', '-qefc', quoted, '/dev/null'], ['pipe', 'pipe', 'pipe'])
    let shown = ''
    child.stdout?.on('data', (part: Buffer) => {
      const isSeen = shown.includes(when)
      shown += part
      if (!isSeen && shown.includes(when)) child.stdin?.write(typed)
    })
    return await ending(child)
  }
}

/** A room without any object. */
export async function openShell(t: Scope): Promise<Shell> {
  return new Shell(await openRoom(t))
}

/** Many tests may share one. */
const STAGE_PATIENCE_MS = 600_000
let shared: Promise<Shell> | undefined
const duties: (() => unknown)[] = []

/** One for all tests of a file that change nothing on it; `test.after.always(closeSharedStage)`. */
export function sharedStage(): Promise<Shell> {
  shared ??= openStage({ teardown: duty => void duties.push(duty) })
  return shared
}

/** Ends what {@link sharedStage} began. */
export async function closeSharedStage(): Promise<void> {
  for (const duty of duties.toReversed()) await duty()
}

/** A room with the stage's objects. */
export async function openStage(t: Scope): Promise<Shell> {
  const room = await openRoom(t)
  const stage = room.start([process.execPath, programFile('command-stage')], ['pipe', 'pipe', 'inherit'], STAGE_PATIENCE_MS)
  t.teardown(async () => {
    stage.stdin?.end()
    if (stage.exitCode === null && stage.signalCode === null) await once(stage, 'exit')
  })
  const [said] = (await Promise.race([once(stage.stdout as NodeJS.ReadableStream, 'data'), once(stage, 'exit')])) as [unknown]
  if (String(said).trim() !== 'ready') throw new Error(`the stage did not open: ${said}`)
  return new Shell(room)
}

const schema = JSON.parse(readFileSync(join(root, 'docs/cli.schema.json'), 'utf8')) as { $defs: Record<string, unknown> }
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTypes: false })
ajv.addSchema(schema, 'cli')

/** What is wrong with a verb's JSON, by docs/cli.schema.json. */
export function complaintsAbout(verb: string, value: unknown): string[] {
  const validate = ajv.getSchema(`cli#/$defs/${verb}`) as ValidateFunction | undefined
  if (validate === undefined) return [`docs/cli.schema.json does not describe ${verb}`]
  return validate(value) ? [] : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}
