/**
 * The report of the benchmarks: it names every loss and nothing else, a partial run touches only its part, pictures are SVG that a reader of XML takes,
 * and the documents have what is saved. No benchmark runs here.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { documentFigures, figuresMarkdown, withFigures } from '../benchmark/report/figures.js'
import { lossesOf } from '../benchmark/report/losses.js'
import { reportMarkdown } from '../benchmark/report/markdown.js'
import type { Comparison, NamedOutcome, Outcome, Unit } from '../benchmark/report/outcome.js'
import { panelsOf } from '../benchmark/report/overview.js'
import { Run } from '../benchmark/report/run.js'
import { newestOutcomes } from '../benchmark/report/saved.js'
import { documentPictures, documentTexts, picturesOf, writeReport } from '../benchmark/report/write.js'
import { skip } from './support/skip.js'

const machine = { cpu: 'Test <CPU> & co', cpuCount: 2, memoryGiB: 1, kernel: 'Linux 1.2.3', node: 'v20.0.0', date: '2001-02-03' }

function comparison(subject: string, unit: Unit, ours: number[], other: number[], holds?: boolean): Comparison {
  const bar = holds === undefined ? {} : { bar: { text: '≤ 9', holds } }
  return { subject, unit, ours: { name: 'shmem', samples: ours }, other: { name: 'peer', samples: other }, ...bar }
}

function outcome(name: string, comparisons: Comparison[]): NamedOutcome {
  const rest = { remarks: [`a remark of ${name}.`], skipped: [{ peer: 'Aeron', reason: 'no Java.' }], seconds: 61, busyBefore: 0.5, versions: { cc: `12 of ${name}` } }
  return { name, question: `Is ${name} < fast & good?`, machine, quick: false, comparisons, ...rest }
}

const outcomes = [
  outcome('first', [
    comparison('time won', 'ns', [10, 20, 30], [40, 50, 60]),
    comparison('time lost', 'ns', [40, 50, 60], [10, 20, 30]),
    comparison('time even', 'µs', [10.001, 20, 30], [10, 20, 30]),
    comparison('time lost at times', 'ms', [9, 22, 33], [10, 20, 30]),
  ]),
  outcome('second', [
    comparison('rate won', 'GB/s', [40, 50, 60], [10, 20, 30], true),
    comparison('rate lost', 'M/s', [1, 2, 3], [10, 20, 30]),
    comparison('rate won, bar missed', 'GB/s', [20, 20, 20], [10, 10, 10], false),
  ]),
]

test('the losses are what the other side did faster, whether less is better or more', (t) => {
  const { slower, unclear, missedBars, comparisons } = lossesOf(outcomes)
  const subjects = (losses: readonly Comparison[]): string[] => losses.map(({ subject }) => subject)
  t.deepEqual(subjects(slower), ['rate lost', 'time lost'], 'in every round, the worst first')
  t.deepEqual(subjects(unclear), ['time lost at times'])
  t.deepEqual(subjects(missedBars), ['rate won, bar missed'])
  t.is(comparisons, 7)
})

test('a report names the machine, the losses, versions, times, and what was skipped', (t) => {
  const report = reportMarkdown(outcomes, { overview: undefined, questions: new Set(['first']) })
  const section = (heading: string): string => report.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
  t.regex(report, /Test <CPU> & co, 2 CPUs, 1 GiB, Linux 1\.2\.3, Node v20\.0\.0, 2001-02-03/u)
  t.regex(section('Where we lose'), /Of 7 comparisons the other side is faster in 3: in every round in 2, in the median only in 1\. Bars missed: 1\./u)
  t.regex(section('Where we lose'), /\| rate lost \| shmem \| 2\.00 M\/s \| peer \| 20\.0 M\/s \| 0\.100 × \| 0\.100–0\.100 \| 0\.100 × \|  \|/u)
  t.notRegex(section('Where we lose'), /time won|even|rate won \|/u)
  t.regex(section('What ran'), /\[first\]\(#first\) \| 4 \| 3 \| 61 s \| 0\.50 of 2 CPUs /u)
  t.regex(section('What ran'), /busy with other things when these began.+: first, second\./u)
  t.regex(section('What ran'), /Together 2\.0 minutes/u)
  t.regex(section('What was skipped'), /second \| Aeron \| no Java\./u)
  t.regex(section('Versions'), /cc \| 12 of first \(first\); 12 of second \(second\)/u)
  t.regex(section('first'), /!\[.+\]\(first\.svg\)/u)
  t.notRegex(section('second'), /svg/u)
})

test('a partial run replaces its own question, and leaves the others as they are', async (t) => {
  const folder = temporaryFolder(t)
  for (const { name, ...whole } of outcomes) writeFileSync(join(folder, `${name}.json`), JSON.stringify(whole satisfies Outcome))
  await writeReport(folder)
  const before = readFileSync(join(folder, 'first.json'), 'utf8')
  const run = new Run(folder)
  await run.begin()
  const again = outcome('second', [comparison('rate lost now', 'GB/s', [1, 1, 1], [7, 7, 7])])
  writeFileSync(join(run.outFolder, 'second.json'), JSON.stringify({ ...again, quick: true }))
  run.take('second')
  const said = await run.finish()
  t.regex(said, /1 questions with 1 comparisons/u)
  t.is(readFileSync(join(folder, 'first.json'), 'utf8'), before)
  const report = readFileSync(join(folder, 'report.md'), 'utf8')
  t.regex(report, /time lost at times/u)
  t.regex(report, /rate lost now/u)
  t.notRegex(report, /rate won/u)
  t.regex(report, /A quick run/u)
  const summary = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { questions: { name: string; comparisons: { verdict: string }[] }[] }
  t.deepEqual(summary.questions.map(({ name, comparisons }) => [name, comparisons.length, comparisons[0]?.verdict]), [['first', 4, 'faster'], ['second', 1, 'slower']])
  t.is((JSON.parse(readFileSync(join(folder, 'second.json'), 'utf8')) as Outcome).versions?.['Node.js'], process.versions.node)
})

test('every picture is XML, and every number in it is one', async (t) => {
  if (spawnSync('python3', ['--version']).status !== 0) return skip(t, 'python3, whose reader of XML this takes, is not installed')
  const folder = temporaryFolder(t)
  const pictures = [...(await picturesOf(outcomes)), ...(await documentPictures(newestOutcomes()))]
  t.deepEqual(pictures.map(({ file }) => file), ['first.svg', 'second.svg', 'how-fast.svg', 'placement.svg'])
  for (const { file, svg } of pictures) writeFileSync(join(folder, file), svg)
  t.deepEqual(faultsOf(folder), [])
  const [first = ''] = pictures.map(({ svg }) => svg)
  writeFileSync(join(folder, 'first.svg'), first.replace('</svg>', ''))
  writeFileSync(join(folder, 'second.svg'), first.replace(/translate\(\d+/u, 'translate(NaN'))
  t.deepEqual(faultsOf(folder).map((fault) => fault.split(':')[0]), ['first.svg', 'second.svg'], 'the check itself can fail')
})

test('every main comparison of the picture in README is in the saved results', (t) => {
  const panels = panelsOf(newestOutcomes())
  t.deepEqual(panels.map(({ rows }) => rows.length >= 2), Array.from({ length: 8 }, () => true))
})

test('the pictures of the documents are those of the saved results: npm run bench:plot', async (t) => {
  for (const { file, svg } of await documentPictures(newestOutcomes())) t.true(readFileSync(`docs/${file}`, 'utf8') === svg, file)
})

test('the tables of the documents are those of the saved results: npm run bench:plot', (t) => {
  const texts = documentTexts(newestOutcomes())
  t.true(texts.length > 1)
  for (const { file, text } of texts) t.true(readFileSync(file, 'utf8') === text, file)
})

test('every row of the tables of the documents is in the saved results, and a figure that is none of them is seen', (t) => {
  const saved = newestOutcomes()
  for (const figures of documentFigures) {
    const lines = figuresMarkdown(figures, saved).split('\n').filter((line) => / \(\d.*\) \|$/u.test(line))
    t.is(lines.length, figures.tables.flatMap(({ rows }) => rows).length, `${figures.file}: ${figures.name}`)
  }
  const text = readFileSync('docs/latest.md', 'utf8')
  t.not(withFigures('docs/latest.md', text.replace(/\d ns \(/u, '$&1'), saved), text.replace(/\d ns \(/u, '$&1'))
  t.throws(() => withFigures('docs/latest.md', text.replace('<!-- figures: latest -->', ''), saved), { message: /no place for its figures: latest/u })
  t.throws(() => withFigures('docs/latest.md', text.replace('figures: latest', 'figures: other'), saved), { message: /nobody knows: other/u })
})

test('every benchmark has a row in benchmark/README.md, and every row a benchmark', (t) => {
  const files = readdirSync('benchmark').filter((file) => file.endsWith('.bench.ts')).map((file) => file.replace('.bench.ts', ''))
  const questions = readFileSync('benchmark/README.md', 'utf8').split('\n| file | question |')[1]?.split('\n\n')[0] ?? ''
  const rows = [...questions.matchAll(/^\| `([\w-]+)` \|/gmu)].map(([, name = '']) => name)
  t.true(files.length > 0)
  t.deepEqual(rows.toSorted(), files.toSorted())
})

/** What a reader of XML says against the pictures of a folder. */
function faultsOf(folder: string): string[] {
  const program = `
import re, sys, xml.dom.minidom
for path in sys.argv[1:]:
    text, name = open(path, encoding="utf8").read(), path.rsplit("/", 1)[1]
    try:
        root = xml.dom.minidom.parseString(text.encode()).documentElement
        if root.tagName != "svg" or not root.getElementsByTagName("title"): print(name + ": no svg with a title")
        if re.search("NaN|undefined|Infinity", text): print(name + ": not a number")
        if "prefers-color-scheme:dark" not in text: print(name + ": no dark colours")
    except Exception as error: print(name + ": " + str(error))`
  const files = readdirSync(folder).filter((file) => file.endsWith('.svg')).toSorted()
  const { stdout, stderr } = spawnSync('python3', ['-c', program, ...files.map((file) => join(folder, file))], { encoding: 'utf8' })
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '')
}

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-bench-report-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
