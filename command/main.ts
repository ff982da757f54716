#!/usr/bin/env node
/**
 * The command `shmem`: what shared memory there is on this machine, who uses it, what is left over, and what will hurt. Each verb is a file of its own,
 * and answers the exit code; this one says which verbs and options there are, in the order of `--help`.
 *
 * The library is not bundled: `shmem` below is the package that this command belongs to.
 */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import { clean } from './clean.js'
import { completion, names } from './completion.js'
import { doctor } from './doctor.js'
import { dump } from './dump.js'
import { EXIT, complain, whenNobodyReads } from './exit.js'
import { limits } from './limits.js'
import { ls } from './ls.js'
import { members } from './members.js'
import { positive, sizeInBytes } from './numbers.js'
import { rm } from './rm.js'
import { stat } from './stat.js'
import { top } from './top.js'
import { KINDS } from './words.js'

const program = new Command('shmem')
  .description('Sees and cleans shared memory: System V, POSIX, memfd, and the managed segments of shmem.')
  .version(version())
  .helpCommand(false)
  .showHelpAfterError('`shmem --help` lists verbs and options.')
  .exitOverride()
  .addHelpText('after', '\nExit codes: 0 done, 1 something failed or was found, 2 wrong usage.\nSee docs/cli.md.')

const kind = new Option('--kind <kind>', 'only objects of this kind').choices(KINDS)
const json = new Option('--json', 'print JSON, as docs/cli.schema.json describes it')
const yes = new Option('-y, --yes', 'do not ask')

verb('ls', 'list all objects with size, memory and users', ls)
  .addOption(kind)
  .option('--mine', 'only my own objects')
  .option('--no-users', 'do not look who uses them (faster)')
  .option('--watch', 'list again and again, in place')
  .option('--interval <ms>', 'how long --watch waits between two lists', positive, 2000)
  .option('--iterations <n>', 'end --watch after so many lists', positive)
  .addOption(json)

verb('stat', 'everything about one object', stat)
  .argument('<name>', "a POSIX name ('/orders', 'orders'), a System V key ('0x2a') or identifier ('98304'), or 'memfd:name'")
  .addOption(kind)
  .addOption(json)

verb('members', 'who is a member of a managed segment, alive or dead, and what each holds', members)
  .argument('<managed>', "the segment's name, or the path of a file")
  .addOption(json)

verb('dump', 'bytes in hexadecimal; of a managed segment with what they are', dump)
  .argument('<name>', "as of stat, or the path of a file ('./state')")
  .option('--offset <bytes>', "first byte, such as 4096, 0x1000 or '4KiB'", sizeInBytes)
  .option('--length <bytes>', 'how many bytes', sizeInBytes)
  .addOption(kind)
  .addOption(json)

verb('rm', 'remove objects, whoever uses them', rm)
  .argument('[names...]', 'as of stat')
  .option('--mine', 'all of my own objects')
  .addOption(kind)
  .addOption(yes)
  .addOption(json)

verb('clean', 'remove objects that nobody uses any more', clean)
  .option('--foreign', 'also those of other software and other users')
  .addOption(yes)
  .addOption(json)

verb('limits', 'the limits of this machine that shared memory meets', limits)
  .addOption(json)

verb('doctor', 'what of this machine will hurt, and how to mend it', doctor)
  .addOption(json)

verb('top', 'rates of the rings, locks and other objects of managed segments, in place', top)
  .argument('[managed...]', 'names, or paths of files; all POSIX ones that there are by default')
  .option('--interval <ms>', 'between two looks', positive, 1000)
  .option('--iterations <n>', 'end after so many looks', positive)
  .option('--once', 'the same as --iterations 1')
  .addOption(json)

verb('completion', 'print a script that completes verbs, options and names', completion(program))
  .argument('<shell>', "'bash' or 'zsh'")

verb('complete-names', 'names of objects, one a line', names, { hidden: true })

whenNobodyReads()
try {
  await program.parseAsync()
} catch (error) {
  // Commander has said already what is wrong; after --help and --version its code is 0.
  process.exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? EXIT.ok : EXIT.usage) : complain(error, process.argv.includes('--json'))
}

/** A verb whose arguments and options, as the user gave them, go to `act`. */
function verb(name: string, description: string, act: (...given: never[]) => number | Promise<number>, options?: { hidden: boolean }): Command {
  const command = program.command(name, options).description(description)
  return command.action(async (...given: unknown[]) => {
    // Behind arguments and options Commander gives the command itself.
    process.exitCode = await act(...(given.slice(0, -1) as never[]))
  })
}

/** Of the package that this command is in. */
function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return text
}
