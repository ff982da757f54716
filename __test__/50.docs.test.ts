/**
 * The documents cannot rot: every link leads somewhere, every block of code runs, every public name and every code of an
 * error is described.
 *
 * A block marked `js` runs as it stands. One marked `js name.mjs` is a file; those under one heading are started
 * together, unless the mark says `started by` another. Output promised by `//=>` must come. Blocks marked `ts` are
 * type-checked strictly, then run. Names of objects get a suffix for each run.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import test, { type ExecutionContext } from 'ava'

const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...readdirSync('docs').map((file) => `docs/${file}`)].filter((path) =>
  path.endsWith('.md'),
)
const runtimeOptions = process.execArgv

interface Block {
  language: string
  /** The file's name; absent for a block that stands alone. */
  file: string | undefined
  isStartedByAnother: boolean
  heading: string
  code: string
}

for (const path of documents) {
  const text = readFileSync(path, 'utf8')

  test(`every link of ${path} leads somewhere`, (t) => {
    t.deepEqual(linksOf(text).filter((link) => !leadsSomewhere(path, link)), [])
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
      const pids = await Promise.all(started.map((block) => runs(t, folder, block.file ?? 'block.mjs', promisedBy(block.code))))
      leavesNothing(t, folder, pids)
    })
  }
}

test.serial('every TypeScript block is well typed, and runs', async (t) => {
  const folder = workFolder(t)
  const blocks = documents.flatMap((path) => blocksOf(readFileSync(path, 'utf8')).filter(({ language }) => language === 'ts'))
  t.true(blocks.length > 0)
  blocks.forEach((block, index) => writeFileSync(join(folder, `block${index}.ts`), withUniqueNames(block.code, folder)))
  const compilerOptions = { rootDir: '.', outDir: 'out', noEmit: false, declaration: false, typeRoots: [resolve('node_modules/@types')] }
  const config = { extends: resolve('tsconfig.json'), compilerOptions, include: ['*.ts'], exclude: [] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const compiled = await run(folder, [resolve('node_modules/typescript/bin/tsc'), '-p', folder])
  t.is(compiled.output, '')
  const pids = []
  for (const [index, block] of blocks.entries()) pids.push(await runs(t, join(folder, 'out'), `block${index}.js`, promisedBy(block.code)))
  leavesNothing(t, folder, pids)
})

const entrances = [
  ['shmem', 'index.ts'],
  ['shmem/sysv', 'lib/sysv.ts'],
  ['shmem/posix', 'lib/posix.ts'],
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

/** A folder in which `import 'shmem'` finds this package, as a user's own would. */
function workFolder(t: ExecutionContext): string {
  mkdirSync('dist', { recursive: true })
  const folder = mkdtempSync(resolve('dist', 'docs-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
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

async function runs(t: ExecutionContext, folder: string, file: string, promised: string[]): Promise<number> {
  const { code, output, pid } = await run(folder, [...runtimeOptions, file])
  t.is(code, 0, `${file}: ${output}`)
  if (promised.length > 0) t.deepEqual(output.trimEnd().split('\n'), promised, file)
  return pid
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
  t.deepEqual(readdirSync('/dev/shm').filter((name) => name.endsWith(`-${basename(folder)}`)), [])
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

/** What a module's source exports, sorted. */
function exportsOf(source: string): string[] {
  const lists = [...source.matchAll(/^export (?:type )?(?:const )?\{([^}]*)\}/gmu)].flatMap(([, list = '']) => list.split(','))
  const listed = lists.map((name) => name.trim().replace(/^type /u, '')).filter((name) => name !== '')
  const declared = [...source.matchAll(/^export (?:abstract )?(?:function|class|interface|type|const) (\w+)/gmu)].map(([, name = '']) => name)
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
