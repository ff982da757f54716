/**
 * `npm start`: hands a file from one process to another through shared memory, beside a Unix socket and `process.send`.
 *
 *     node dist/examples/hand-over.js [file | -] [--repeats N] [--pids]
 *
 * This is the front door: arguments in, progress and a table out. The sending process lives in `hand-over/sender.ts`,
 * the receiving one in `hand-over/receiver.ts`, and each way of handing over in a file of its own beside them.
 */
import { parseArgs } from 'node:util'
import { openProgress } from './hand-over/progress.js'
import { handOver } from './hand-over/sender.js'
import { describeReport } from './hand-over/table.js'

const usage = `usage: npm start -- [file | -] [--repeats N] [--pids]

  file          what to hand over; the Node.js binary itself if left out, standard input if -
  --repeats N   how often each way carries the whole file (default: by size)
  --pids        print the pids of both processes on standard error
`

interface Command {
  input: string
  repeats?: number
  printsPids: boolean
}

function parseCommand(): Command | 'help' {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, pids: { type: 'boolean' }, repeats: { type: 'string' } },
  })
  if (values.help === true) return 'help'
  if (positionals.length > 1) throw new Error(`One file at a time, please; got ${positionals.length}.`)
  const command: Command = { input: positionals[0] ?? process.execPath, printsPids: values.pids === true }
  if (values.repeats === undefined) return command
  const repeats = Number(values.repeats)
  if (!Number.isSafeInteger(repeats) || repeats < 1 || repeats > 1000) {
    throw new Error(`--repeats takes a whole number from 1 to 1000, not ${JSON.stringify(values.repeats)}.`)
  }
  return { ...command, repeats }
}

async function main(): Promise<void> {
  const command = parseCommand()
  if (command === 'help') {
    process.stdout.write(usage)
    return
  }
  const progress = openProgress()
  try {
    const report = await handOver({
      input: command.input,
      ...(command.repeats === undefined ? {} : { repeats: command.repeats }),
      onStart: (pids) => {
        if (command.printsPids) process.stderr.write(`sender ${pids.sender}\nreceiver ${pids.receiver}\n`)
      },
      onProgress: progress.update,
    })
    progress.close()
    process.stdout.write(describeReport(report))
  } finally {
    progress.close()
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`hand-over: ${error instanceof Error ? error.message : String(error)}\n`)
  // The receiver and an unread standard input may still hold the event loop open.
  process.exit(1)
}
