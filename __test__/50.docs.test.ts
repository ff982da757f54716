/**
 * The documents cannot rot: every link leads somewhere, every block of code runs, every public name and every code of an
 * error is described.
 *
 * A block marked `js` runs as it stands. One marked `js name.mjs` is a file; those under one heading are started
 * together, unless the mark says `started by` another. Output promised by `//=>` must come, and no other where any is promised.
 * Blocks marked `ts` are type-checked strictly, then run; those marked `c` compile. Names of objects get a suffix for each run.
 * A block marked with the path of a file here, as in `c examples/semaphore-pipe.c`, is an excerpt of it, and one in another language is one of some
 * example; `text` with such a path is what it prints, and the test of that file compares it. What cannot run says here why.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { skip } from './support/skip.js'

/** What is in the site. */
const documents = markdownIn('docs', 'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md')
/** Documents beside the code, whose links are looked at, too. */
const besides = markdownIn('examples', ...markdownIn('benchmark'), 'bin/README.md', 'crate/core/README.md', 'include/README.md')

/** Blocks that neither run nor compile nor are an excerpt: where they stand, in which language, and why. */
const notRun: [path: string, heading: string, language: string, why: string][] = [
  ['README.md', 'Try it', 'sh', 'npm start is what 42.hand-over runs, and npm test is what runs this'],
  ['README.md', 'Install', 'sh', 'npm run test:install does it, from a registry of its own'],
  ['docs/c.md', '*', 'mjs', '91.c-member runs it, beside the C program'],
  ['docs/c.md', '*', 'sh', '91.c-member compiles and starts so'],
  ['docs/guide.md', '6. Look at it', 'sh', 'npx would ask the registry for the command; 82.command runs it'],
  ['docs/releasing.md', '*', 'sh', 'it builds for hours, and publishes'],
  ['docs/cli.md', '*', 'console', '82.command-docs runs them'],
  ['docs/crash-safety.md', 'Run it longer', 'sh', 'half an hour and more'],
  ['docs/placement.md', '*', 'sh', 'it would change the huge pages of this machine'],
  ['docs/placement.md', '*', 'yaml', 'there is no Kubernetes here'],
  ['docs/containers.md', '*', 'yaml', 'there is no Kubernetes here'],
]
const runtimeOptions = process.execArgv

interface Block {
  language: string
  /** The file's name; absent for a block that stands alone. */
  file: string | undefined
  isStartedByAnother: boolean
  heading: string
  code: string
}

for (const path of [...documents, ...besides]) {
  const text = readFileSync(path, 'utf8')

  test(`every link of ${path} leads somewhere`, (t) => {
    t.deepEqual(linksOf(text).filter((link) => !leadsSomewhere(path, link)), [])
    t.deepEqual([...text.matchAll(/!\[\s*\]\(([^)\s]+)\)/gu)].map(([, picture]) => picture), [], 'pictures that say nothing to who cannot see them')
  })

  test(`every npm script that ${path} names exists`, (t) => {
    const scripts = Object.keys((JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object }).scripts)
    const named = [...text.matchAll(/npm (?:run ([\w:-]+)|(start|test)\b)/gu)].map(([, script, short]) => script ?? short ?? '')
    t.deepEqual(named.filter((name) => !scripts.includes(name)), [])
  })

  for (const [title, blocks] of programsOf(text)) {
    test.serial(`${path}: the code under "${title}" runs and prints what it promises`, async (t) => {
      const folder = workFolder(t)
      for (const block of blocks) writeFileSync(join(folder, block.file ?? 'block.mjs'), withUniqueNames(block.code, folder))
      const started = blocks.filter((block) => !block.isStartedByAnother)
      const theirs = blocks.filter((block) => block.isStartedByAnother).flatMap((block) => promisedBy(block.code))
      const ends = await Promise.all(started.map((block) => runs(t, folder, block.file ?? 'block.mjs', promisedBy(block.code), theirs)))
      const printed = ends.flatMap(({ lines }) => lines)
      t.deepEqual(theirs.filter((line) => !printed.includes(line)), [], 'promised by who is started by another')
      leavesNothing(t, folder, ends.map(({ pid }) => pid))
    })
  }
}

test.serial('every TypeScript block is well typed, and runs', async (t) => {
  const folder = workFolder(t)
  const blocks = documents.flatMap((path) => blocksOf(readFileSync(path, 'utf8')).filter(({ language, file }) => language === 'ts' && file === undefined))
  t.true(blocks.length > 0)
  blocks.forEach((block, index) => writeFileSync(join(folder, `block${index}.ts`), withUniqueNames(block.code, folder)))
  const compilerOptions = { rootDir: '.', outDir: 'out', noEmit: false, declaration: false, typeRoots: [resolve('node_modules/@types')] }
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['*.ts'], exclude: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const compiled = await run(folder, [resolve('node_modules/typescript/bin/tsc'), '-p', folder])
  t.is(compiled.output, '')
  const pids = []
  for (const [index, block] of blocks.entries()) pids.push((await runs(t, join(folder, 'out'), `block${index}.js`, promisedBy(block.code))).pid)
  leavesNothing(t, folder, pids)
})

test('every C block compiles', (t) => {
  const blocks = documents.flatMap((path) => blocksOf(readFileSync(path, 'utf8')).filter(({ language, file, code }) => language === 'c' && file === undefined && !isExcerpt(code)))
  t.true(blocks.length > 0)
  for (const { code, heading } of blocks) {
    const { error, stderr } = spawnSync('cc', ['-fsyntax-only', '-Wall', '-Werror', '-xc', '-'], { input: programInC(code), encoding: 'utf8' })
    if (error !== undefined) return skip(t, `no C compiler: ${error.message}`)
    t.is(stderr, '', heading)
  }
})

test('every other block is an excerpt of a file here, is plain text, or says why it does not run', (t) => {
  const seen = new Set<string>()
  for (const path of documents) {
    for (const { language, file, heading, code } of blocksOf(readFileSync(path, 'utf8'))) {
      const reason = notRun.findIndex(([where, under, how]) => where === path && how === language && (under === '*' || under === heading))
      if (reason !== -1) seen.add(notRun[reason]?.join() ?? '')
      else if (file?.includes('/') === true && language !== 'js') {
        t.true(existsSync(file), `${path}, under "${heading}": there is no ${file}`)
        if (language !== 'text') t.true(flushLeft(readFileSync(file, 'utf8')).includes(flushLeft(code)), `${path}, under "${heading}": it does not stand so in ${file}`)
      } else t.true(['js', 'ts', 'c', 'text', ''].includes(language) || isExcerpt(code), `${path}, under "${heading}": a block of ${language}`)
    }
  }
  t.deepEqual(notRun.filter(([path]) => existsSync(path)).map((row) => row.join()).filter((row) => !seen.has(row)), [], 'rows for blocks that are not there')
})

const entrances = [
  ['shmem', 'index.ts'],
  ['shmem/sysv', 'lib/raw/sysv.ts'],
  ['shmem/posix', 'lib/raw/posix.ts'],
  ['shmem/support', 'lib/support.ts'],
] as const

for (const [entrance, source] of entrances) {
  test(`the README's table of '${entrance}' has its public names, all of them and no others`, async (t) => {
    const exported = exportsOf(readFileSync(source, 'utf8'))
    const runtime = Object.keys((await import(entrance)) as object)
    t.deepEqual(runtime.filter((name) => !exported.includes(name)), [], 'this test reads the source wrongly')
    t.deepEqual(namesInTable(readFileSync('README.md', 'utf8'), `'${entrance}'`), exported)
  })
}

test('docs/errors.md describes every code of ours, and no other', (t) => {
  const code = /\bERR_[A-Z]+(?:_[A-Z]+)+\b/gu
  const used = wordsOf(sources(), code)
  const described = wordsOf(firstCells(readFileSync('docs/errors.md', 'utf8')), code)
  t.true(used.length > 10)
  t.deepEqual(described, used)
  const elsewhere = documents.flatMap((path) => wordsOf(readFileSync(path, 'utf8'), code))
  t.deepEqual(elsewhere.filter((name) => name.startsWith('ERR_SHM_') && !used.includes(name)), [])
})

test('docs/errors.md describes every errno that lib/ names', (t) => {
  const known = wordsOf(/errnos! \{([\s\S]*?)\n\}/u.exec(readFileSync('crate/core/src/error.rs', 'utf8'))?.[1] ?? '', /\bE[A-Z0-9]+\b/gu)
  const named = wordsOf(sourcesUnder('lib', '.ts'), /\bE[A-Z0-9]{2,}\b/gu).filter((name) => known.includes(name))
  t.true(named.length > 20)
  const described = wordsOf(firstCells(readFileSync('docs/errors.md', 'utf8')), /\bE[A-Z0-9]{2,}\b/gu)
  t.deepEqual(named.filter((name) => !described.includes(name)), [])
})

/** The blocks of a text; a heading inside of one does not count. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = []
  let heading = ''
  for (const [, title, mark = '', code = ''] of text.matchAll(/^#+ (.+)$|^```(\S[^\n]*)?\n([\s\S]*?)^```$/gmu)) {
    if (title !== undefined) heading = title
    const [language = '', file] = mark.split(/[\s,]+/u)
    if (title === undefined) blocks.push({ language, file, isStartedByAnother: mark.includes('started by'), heading, code })
  }
  return blocks
}

/** What runs together, with a title: a block of its own, or the files under one heading. */
function programsOf(text: string): Map<string, Block[]> {
  const programs = new Map<string, Block[]>()
  for (const block of blocksOf(text).filter(({ language }) => language === 'js')) {
    const key = block.file === undefined ? `${block.heading}, block ${programs.size + 1}` : `${block.heading}, files`
    programs.set(key, [...(programs.get(key) ?? []), block])
  }
  return programs
}

/** An excerpt needs its surroundings: what it does not declare is a parameter. */
function programInC(code: string): string {
  if (/^int main\b/mu.test(code)) return code
  return `#include <errno.h>\n#include <pthread.h>\nvoid repair(void);\nvoid excerpt(char *memory);\nvoid excerpt(char *memory) {\n${code}}\n`
}

/** Whether it stands in an example, which has a test. */
function isExcerpt(code: string): boolean {
  const folders = ['examples', 'crate/core/examples'].filter((folder) => existsSync(folder))
  return ['.c', '.cpp', '.py', '.rs', '.ts'].some((ending) => folders.some((folder) => flushLeft(sourcesUnder(folder, ending)).includes(flushLeft(code))))
}

function flushLeft(code: string): string {
  return code.replaceAll(/^ +/gmu, '')
}

/** A folder in which `import 'shmem'` finds this package, as a user's own would. */
function workFolder(t: ExecutionContext): string {
  mkdirSync('dist', { recursive: true })
  const folder = mkdtempSync(resolve('dist', 'docs-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // Of a program that failed.
  t.teardown(() => leftOf(folder).forEach((name) => rmSync(join('/dev/shm', name), { force: true })))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(resolve('.'), join(folder, 'node_modules/shmem'))
  return folder
}

/** Literal names of objects, with the suffix of its folder, so that two runs at once do not meet. */
function withUniqueNames(code: string, folder: string): string {
  const named = /(\b(?:PosixSegment|PosixSemaphore|ManagedSegment)\.\w+|\b(?:shm|sem)_(?:open|unlink))\('(\/?[\w-]+)'/gu
  return code.replace(named, `$1('$2-${basename(folder)}'`)
}

function promisedBy(code: string): string[] {
  return [...code.matchAll(/\/\/=> (.*)$/gmu)].map(([, line]) => line ?? '')
}

/** Runs to its end. Where anything is promised, by it or by those it starts, it prints its own lines in their order, and otherwise only theirs. */
async function runs(t: ExecutionContext, folder: string, file: string, promised: string[], theirs: string[] = []): Promise<{ lines: string[]; pid: number }> {
  const { code, output, pid } = await run(folder, [...runtimeOptions, file])
  t.is(code, 0, `${file}: ${output}`)
  const lines = output === '' ? [] : output.trimEnd().split('\n')
  let kept = 0
  const others = lines.filter((line) => {
    const isKept = line === promised[kept]
    if (isKept) kept += 1
    return !isKept && !theirs.includes(line)
  })
  if (promised.length + theirs.length > 0) t.deepEqual([promised.slice(kept), others], [[], []], `${file}: [promised and not printed, printed and not promised]`)
  return { lines, pid }
}

function run(folder: string, args: string[]): Promise<{ code: number | null; output: string; pid: number }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000, killSignal: 'SIGKILL' })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.on('error', fail)
    child.on('close', (code) => done({ code, output, pid: child.pid ?? 0 }))
  })
}

/** Looked at when all programs have ended: what one makes, another may remove. */
function leavesNothing(t: ExecutionContext, folder: string, pids: number[]): void {
  const creators = sysvCreators()
  t.deepEqual(pids.filter((pid) => creators.includes(pid)), [], 'a System V segment is left behind')
  t.deepEqual(leftOf(folder), [])
}

function leftOf(folder: string): string[] {
  return readdirSync('/dev/shm').filter((name) => name.endsWith(`-${basename(folder)}`))
}

/** Pids of the creators of all System V segments here (the fifth column of /proc/sysvipc/shm). */
function sysvCreators(): number[] {
  const lines = readFileSync('/proc/sysvipc/shm', 'utf8').trim().split('\n').slice(1)
  return lines.map((line) => Number(line.trim().split(/\s+/u)[4]))
}

function linksOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gmu, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/gu)].map(([, link]) => link ?? '').filter((link) => !/^[a-z]+:/u.test(link))
}

function leadsSomewhere(from: string, link: string): boolean {
  const [file = '', anchor] = link.split('#')
  const path = file === '' ? from : join(dirname(from), file)
  if (!existsSync(path)) return false
  return anchor === undefined || anchorsOf(readFileSync(path, 'utf8')).includes(anchor)
}

/** The anchors that GitHub gives to headings. */
function anchorsOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gmu, '')
  return [...prose.matchAll(/^#+ (.+)$/gmu)].map(([, title = '']) =>
    title.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/gu, '-'),
  )
}

/** Documents of a folder, with others that are there. */
function markdownIn(folder: string, ...others: string[]): string[] {
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file))
  return [...others.filter((path) => existsSync(path)), ...found].filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
}

/** What a module's source exports, sorted. */
function exportsOf(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\//gu, '')
  const lists = [...code.matchAll(/^export (?:type )?(?:const )?\{([^}]*)\}/gmu)].flatMap(([, list = '']) => list.split(','))
  const listed = lists.map((name) => name.trim().replace(/^type /u, '')).filter((name) => name !== '')
  const declared = [...code.matchAll(/^export (?:abstract )?(?:function|class|interface|type|const) (\w+)/gmu)].map(([, name = '']) => name)
  return [...new Set([...listed, ...declared])].toSorted()
}

/** The names in the first cells of the table under a heading that contains `title`, sorted. */
function namesInTable(text: string, title: string): string[] {
  const section = text.split(/^#+ /mu).find((part) => part.split('\n', 1)[0]?.replaceAll('`', "'").includes(title)) ?? ''
  return wordsOf(firstCells(section), /(?<=`)\w+(?=`)/gu)
}

function firstCells(text: string): string {
  return [...text.matchAll(/^\|([^|\n]*)\|/gmu)].map(([, cell]) => cell).join('\n')
}

function wordsOf(text: string, pattern: RegExp): string[] {
  return [...new Set(text.match(pattern))].toSorted()
}

function sources(): string {
  return sourcesUnder('lib', '.ts') + sourcesUnder('crate/core/src', '.rs') + sourcesUnder('crate/node/src', '.rs')
}

function sourcesUnder(folder: string, ending: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith(ending))
  return files.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n')
}
