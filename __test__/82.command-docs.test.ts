/**
 * docs/cli.md shows what the command really prints: each command of its `console` blocks is run, in order, on one stage, and compared, but for numbers, bytes and what other
 * processes of this machine do. `SHMEM_UPDATE_DOCS=1` writes what came into the document instead.
 */
import test from 'ava'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openStage, whyNoStage } from './support/command.js'
import { skip } from './support/skip.js'

const path = fileURLToPath(new URL('../../docs/cli.md', import.meta.url))

/** What they say depends on the machine, and a little of what they speak of too. */
const OF_THE_MACHINE = ['limits', 'doctor']

test.serial('docs/cli.md shows what the command prints', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openStage(t)
  const text = readFileSync(path, 'utf8')
  const told = commandsOf(text)
  t.true(told.length > 12)
  let updated = text
  for (const { line, output } of told) {
    const words = line.split(' ').slice(1)
    const { stdout, stderr } = await shell.shmem(words, words[0] === 'ls' ? {} : { columns: 80 })
    const real = others(stdout + stderr)
    if (process.env['SHMEM_UPDATE_DOCS'] === '1') updated = updated.replace(`$ ${line}\n${output}`, () => `$ ${line}\n${real}`)
    else if (OF_THE_MACHINE.includes(words[0] ?? '')) {
      const here = subjects(real)
      const known = subjects(output).filter(subject => here.includes(subject))
      t.true(known.length > here.length / 2, `${line}: ${here}`)
    }
    else t.deepEqual(steady(output), steady(real), line)
  }
  if (updated !== text) writeFileSync(path, updated)
})

test('docs/cli.md has every verb and every option', async t => {
  const main = readFileSync(fileURLToPath(new URL('../../command/main.ts', import.meta.url)), 'utf8')
  const text = readFileSync(path, 'utf8')
  const verbs = [...main.matchAll(/^verb\('([a-z]+)'/gmu)].map(([, verb]) => verb ?? '')
  t.true(verbs.length >= 10)
  for (const verb of verbs) t.true(text.includes(`\n## ${verb}\n`) && text.includes(`| [\`${verb}\`](#${verb})`), verb)
  const options = new Set([...main.matchAll(/--([a-z-]+)/gu)].map(([option]) => option))
  for (const option of options) if (!['--help', '--iterations'].includes(option)) t.true(text.includes(option), option)
})

function commandsOf(text: string): { line: string; output: string }[] {
  const blocks = [...text.matchAll(/^```console\n([\s\S]*?)^```$/gmu)].map(([, block]) => block ?? '')
  return blocks.flatMap(block => block.split(/^\$ /mu).slice(1)).map(part => {
    const [line = ''] = part.split('\n', 1)
    return { line, output: part.slice(line.length + 1) }
  })
}

/** Without memfds of other processes of this machine, among which may be other stages. */
function others(output: string): string {
  const lines = output.split('\n')
  const ours = lines.find(line => /^memfd +memfd:scratch /u.test(line))
  return lines.filter(line => !line.startsWith('memfd ') || line === ours).join('\n')
}

/** Lines without what changes from run to run. */
function steady(output: string): string[] {
  const text = output.replaceAll(/,\s+as\s+far\s+as[\s\S]*?looked\s+at\)/gu, '')
  return text.split('\n').flatMap(line => {
    if (/may not look at/u.test(line)) return []
    const dumped = /^[0-9a-f]{8} {2}/u.test(line)
    const kept = dumped ? `bytes ${line.slice(65)}` : line
    return [kept.replaceAll(/[▁-█]/gu, '').replaceAll(/\d[\d.]*[kM]?/gu, '0').replaceAll(/[…,]/gu, '').replaceAll(/\s+/gu, ' ').trim()]
  })
}

/** What is told of in an output of `limits` or `doctor`. */
function subjects(output: string): string[] {
  const lines = output.split('\n').filter(line => /^\S/u.test(line) && !/^\d+ checks/u.test(line))
  return lines.map(line => (/^[✔ℹ⚠✘] ([^:]+)/u.exec(line) ?? /^(\S+)/u.exec(line))?.[1] ?? '')
}
