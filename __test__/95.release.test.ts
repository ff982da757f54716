/**
 * What a release goes through: the script that writes the next version, tried on a copy; the workflows, which must name what is there;
 * and what images say of themselves.
 */
import { execFile, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { skip } from './support/skip.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const { version, scripts } = JSON.parse(read(root, 'package.json')) as { version: string; scripts: Record<string, string> }
const written = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'lib/version.ts', 'include/shmem.h', 'CHANGELOG.md']
const workflows = readdirSync(join(root, '.github/workflows')).map(name => `.github/workflows/${name}`)

interface Elf {
  cpu: string
  needed: string[]
  versions: string[]
  exports: string[]
}

function read(folder: string, file: string): string {
  return readFileSync(join(folder, file), 'utf8')
}

/** A copy of what the script reads and writes, which goes with the test; its changelog has something to release. */
function copy(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-release-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const file of [...written, 'scripts/release.mjs', 'scripts/process.mjs']) {
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    cpSync(join(root, file), join(folder, file))
  }
  const manifest = JSON.parse(read(folder, 'package.json')) as object
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, repository: 'github:somebody/shmem' }, undefined, 2))
  const text = read(folder, 'CHANGELOG.md').replace('## [Unreleased]\n', '## [Unreleased]\n\n### Added\n\n- A line of this test.\n')
  writeFileSync(join(folder, 'CHANGELOG.md'), text)
  return folder
}

async function release(folder: string, ...args: string[]): Promise<{ failed: boolean; output: string }> {
  return await new Promise(resolve => {
    execFile(process.execPath, [join(folder, 'scripts/release.mjs'), ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: stdout + stderr })
    })
  })
}

test('a release writes the version wherever it stands, and the changelog gets a part for it', async t => {
  const folder = copy(t)
  const { failed, output } = await release(folder, '99.0.1-rc.1', '--write')
  t.false(failed, output)
  for (const file of written) t.true(read(folder, file).includes('99.0.1-rc.1'), file)
  const lock = JSON.parse(read(folder, 'package-lock.json')) as { version: string; packages: Record<string, { version: string }> }
  t.deepEqual([lock.version, lock.packages['']?.version], ['99.0.1-rc.1', '99.0.1-rc.1'])
  t.is(read(folder, 'Cargo.lock').split('99.0.1-rc.1').length - 1, 2)
  t.regex(read(folder, 'CHANGELOG.md'), /## \[Unreleased\]\n\n## \[99\.0\.1-rc\.1\] - \d{4}-\d\d-\d\d\n\n### Added\n\n- A line of this test\./u)

  // What comes after the release candidate is the release itself; and then there is nothing more to release.
  const again = await release(folder, 'patch')
  t.true(again.failed)
  t.regex(again.output, /nothing to release/u)
})

test('without --write a release only says what it would do', async t => {
  const folder = copy(t)
  const before = written.map(file => read(folder, file))
  const { failed, output } = await release(folder, 'major')
  t.false(failed, output)
  t.true(output.includes(`${version} → ${Number(version.split('.')[0]) + 1}.0.0`), output)
  t.deepEqual(written.map(file => read(folder, file)), before)
})

test('a release refuses what is no version, what is not after the present one, and files that disagree', async t => {
  const folder = copy(t)
  const cases: [string, RegExp][] = [['01.0.0', /no semantic version/u], ['0.0.1', /does not come after/u]]
  for (const [step, reason] of cases) {
    const { failed, output } = await release(folder, step, '--write')
    t.true(failed, step)
    t.regex(output, reason)
  }
  const before = read(folder, 'package.json')
  writeFileSync(join(folder, 'lib/version.ts'), 'export const version = \'0.0.0-other\'\n')
  const { failed, output } = await release(folder, 'minor', '--write')
  t.true(failed)
  t.regex(output, /lib\/version\.ts has the version 0 times/u)
  t.is(read(folder, 'package.json'), before)

  writeFileSync(join(folder, 'package.json'), before.replace('"repository"', '"homepage"'))
  t.regex((await release(folder, 'minor')).output, /names no repository/u)
})

for (const file of workflows) {
  test(`${file} pins its actions and runs what there is`, t => {
    const text = read(root, file)
    const actions = [...text.matchAll(/uses: (\S+)/gu)].map(([, action = '']) => action)
    for (const action of actions) {
      if (action.startsWith('./')) t.notThrows(() => read(root, action), action)
      else t.regex(action, /@[\da-f]{40}$/u)
    }
    const commands = [...text.matchAll(/npm (?:run (?<script>[\w:]+)|(?<own>test))/gu)]
    for (const { groups } of commands) t.true(Object.hasOwn(scripts, groups?.['script'] ?? groups?.['own'] ?? ''), groups?.['script'])
    for (const [, path = ''] of text.matchAll(/(?:run: |node )((?:\.ci|dist|scripts)\/\S+)/gu)) {
      t.notThrows(() => read(root, path), path)
    }
    t.false(text.includes('\t'))
    t.true(actions.length > 0 && text.includes('permissions:\n  contents: read'))
  })
}

test('every script of package.json that is a file of ours is there', t => {
  for (const [name, command] of Object.entries(scripts)) {
    for (const [path] of command.matchAll(/scripts\/[\w-]+\.mjs/gu)) t.notThrows(() => read(root, path), name)
  }
})

test('our own reader of ELF tells machine, libraries and versions of an image', async t => {
  const { readElf } = (await import(pathToFileURL(join(root, 'scripts/elf.mjs')).href)) as { readElf: (path: string) => Elf }
  const image = readdirSync(join(root, 'native')).find(name => name.includes(`-${process.arch}-gnu.node`))
  if (image === undefined) return t.pass()
  const elf = readElf(join(root, 'native', image))
  t.is(elf.cpu, process.arch)
  t.true(elf.needed.includes('libc.so.6'))
  t.true(elf.versions.includes('GLIBC_2.17'))
  t.deepEqual(elf.exports, ['napi_register_module_v1'])
})

test('an image that needs a newer glibc than it promises is refused, also where the need has no number', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-image-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const image = join(folder, 'newer.node')
  // arc4random(3) came with 2.36, and so did relative relocations in a form that older loaders do not know.
  const source = 'extern unsigned arc4random(void); static int word; int *place = &word; unsigned napi_register_module_v1(void) { return arc4random(); }'
  const compiled = spawnSync('cc', ['-shared', '-fPIC', '-Wl,-z,pack-relative-relocs', '-x', 'c', '-', '-o', image], { input: source, encoding: 'utf8' })
  if (compiled.status !== 0) return skip(t, `no compiler with a glibc of 2.36: ${compiled.error?.message ?? compiled.stderr}`)
  const { inspect } = (await import(pathToFileURL(join(root, 'scripts/check-images.mjs')).href)) as { inspect: (target: object) => string[] }
  const problems = inspect({ image, name: 'newer', cpu: process.arch, abi: 'gnu' }).join('\n')
  t.regex(problems, /needs glibc 2\.36, and must load on 2\.28/u)
  t.regex(problems, /needs GLIBC_ABI_DT_RELR/u)
})
