/**
 * The ways in which the native image cannot be had, each with one clear error: installations that a user may have, made of our own
 * files in a folder for temporary files, and a program that imports shmem there.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { compileC } from './support/c-program.js'
import { skip } from './support/skip.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const { glibcVersionRuntime } = (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header
const here = `linux-${process.arch}-${glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`
const elsewhere = here.endsWith('gnu') ? here.replace('gnu', 'musl') : here.replace('musl', 'gnu')
const otherCpu = here.includes('x64') ? here.replace('x64', 'arm64') : here.replace('arm64', 'x64')
const image = join(root, `native/shmem.${here}.node`)
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const permission = process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission'

/** What the program says: how importing shmem failed, or that it did not. */
interface Outcome {
  code?: string
  message?: string
  hint?: string
  loaded?: boolean
  /** What `shmem/support` says. */
  isSupported: boolean
  reason?: string
}

const program = `
const [platform, arch] = process.argv.slice(2)
const ours = Object.getOwnPropertyDescriptors(process)
if (platform) Object.defineProperties(process, { platform: { value: platform }, arch: { value: arch } })
const outcome = await import('shmem').then(
  () => ({ loaded: true }),
  ({ code, message, hint }) => ({ code, message, hint })
)
const { isSupported, whyUnsupported } = await import('shmem/support')
Object.assign(outcome, { isSupported: isSupported(), reason: whyUnsupported()?.code })
// Node.js itself goes by it when it prints.
Object.defineProperties(process, { platform: ours.platform, arch: ours.arch })
console.log(JSON.stringify(outcome))
`

/** A folder in which shmem is installed, and those platform packages, each with its one file. */
function install(t: ExecutionContext, packages: Record<string, string | Buffer>): string {
  const folder = mkdtempSync(join(tmpdir(), 'shmem-test-install-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const ours = join(folder, 'node_modules/shmem')
  mkdirSync(join(ours, 'dist'), { recursive: true })
  copyFileSync(join(root, 'package.json'), join(ours, 'package.json'))
  copyFileSync(join(root, 'dist/index.js'), join(ours, 'dist/index.js'))
  cpSync(join(root, 'dist/lib'), join(ours, 'dist/lib'), { recursive: true, filter: path => !path.endsWith('.d.ts') })
  for (const [target, content] of Object.entries(packages)) {
    const main = `shmem.${target}.node`
    const its = join(folder, `node_modules/shmem-${target}`)
    mkdirSync(its)
    writeFileSync(join(its, 'package.json'), JSON.stringify({ name: `shmem-${target}`, version, main }))
    if (content === image) copyFileSync(image, join(its, main))
    else writeFileSync(join(its, main), content)
  }
  writeFileSync(join(folder, 'main.mjs'), program)
  return folder
}

/** Runs the program there. */
async function load(folder: string, flags: string[] = [], args: string[] = []): Promise<Outcome> {
  const said = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [...flags, join(folder, 'main.mjs'), ...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${error.message}\n${stderr}`))
    })
  })
  const outcome = JSON.parse(said) as Outcome
  if (outcome.isSupported !== (outcome.loaded === true) || outcome.reason !== outcome.code) throw new Error(`shmem/support says otherwise: ${said}`)
  return outcome
}

/** The first bytes of a library for that machine, which no loader takes. */
function stump(target: string): Buffer {
  const header = Buffer.alloc(64)
  header.write('\x7fELF\x02\x01\x01', 'latin1')
  header.writeUInt16LE(target.includes('arm64') ? 183 : 62, 18)
  return Buffer.concat([header, Buffer.from(`\0${target.endsWith('gnu') ? 'libc.so.6' : 'libc.so'}\0`)])
}

for (const [platform, arch] of [['darwin', 'arm64'], ['linux', 'riscv64']] as const) {
  test(`${platform} on ${arch} is ERR_SHM_UNSUPPORTED_PLATFORM, which says what is supported`, async t => {
    const { code, message = '' } = await load(install(t, { [here]: image }), [], [platform, arch])
    t.is(code, 'ERR_SHM_UNSUPPORTED_PLATFORM')
    t.regex(message, new RegExp(`Linux on x64 and arm64; this is ${platform} on ${arch}`, 'u'))
  })
}

test('the platform package alone is enough', async t => {
  t.deepEqual(await load(install(t, { [here]: image, [elsewhere]: stump(elsewhere) })), { loaded: true, isSupported: true })
})

test('a platform package that was not installed is ERR_SHM_NO_NATIVE_IMAGE, which names it and the reasons that npm has', async t => {
  const { code, message, hint = '' } = await load(install(t, {}))
  t.is(code, 'ERR_SHM_NO_NATIVE_IMAGE')
  t.true(message?.includes(`shmem-${here} is missing`))
  t.regex(hint, /--omit=optional.*package-lock\.json/u)
  t.true(hint.includes(`npm install shmem-${here}@${version}`))
})

test('the image for the other C library alone is ERR_SHM_WRONG_NATIVE_IMAGE, which says what was found and what is wanted', async t => {
  const { code, message, hint = '' } = await load(install(t, { [elsewhere]: stump(elsewhere) }))
  t.is(code, 'ERR_SHM_WRONG_NATIVE_IMAGE')
  t.regex(message ?? '', found(elsewhere, here))
  t.regex(hint, /another machine/u)
})

for (const [what, other] of [['the other C library', elsewhere], ['the other CPU', otherCpu]] as const) {
  test(`an image that was built for ${what} is ERR_SHM_WRONG_NATIVE_IMAGE, whatever its name`, async t => {
    const { code, message = '' } = await load(install(t, { [here]: stump(other) }))
    t.is(code, 'ERR_SHM_WRONG_NATIVE_IMAGE')
    t.regex(message, found(other, here))
  })
}

test('a damaged image is ERR_SHM_WRONG_NATIVE_IMAGE with the loader’s reason', async t => {
  const { code, message = '' } = await load(install(t, { [here]: 'not found' }))
  t.is(code, 'ERR_SHM_WRONG_NATIVE_IMAGE')
  t.regex(message, new RegExp(`shmem\\.${here}\\.node cannot be loaded: .+`, 'u'))
})

for (const [what, spoil] of [
  ['that is cut off', (whole: Buffer): Buffer => whole.subarray(0, 4096)],
  ['whose end was never written', (whole: Buffer): Buffer => Buffer.from(whole).fill(0, whole.length - 65_536)]
] as const) {
  test(`an image ${what} is ERR_SHM_WRONG_NATIVE_IMAGE, and does not end the process`, async t => {
    const { code, message = '' } = await load(install(t, { [here]: spoil(readFileSync(image)) }))
    t.is(code, 'ERR_SHM_WRONG_NATIVE_IMAGE')
    t.regex(message, /cannot be loaded: the file is cut off/u)
  })
}

test('what somebody put in the place of the image is ERR_SHM_WRONG_NATIVE_IMAGE', async t => {
  const folder = install(t, { [here]: '' })
  const its = join(folder, `node_modules/shmem-${here}`)
  writeFileSync(join(its, 'package.json'), JSON.stringify({ name: `shmem-${here}`, version, main: 'nothing.js' }))
  writeFileSync(join(its, 'nothing.js'), 'module.exports = null')
  t.is((await load(folder)).code, 'ERR_SHM_WRONG_NATIVE_IMAGE')
})

test('an image of another version is ERR_SHM_WRONG_NATIVE_IMAGE with both versions', async t => {
  const folder = install(t, { [here]: image })
  const module = join(folder, 'node_modules/shmem/dist/lib/version.js')
  writeFileSync(module, readFileSync(module, 'utf8').replace(version, '99.1.2'))
  const { code, message = '' } = await load(folder)
  t.is(code, 'ERR_SHM_WRONG_NATIVE_IMAGE')
  t.true(message.includes(`that of shmem ${version}, and this is shmem 99.1.2`), message)
})

test('the facade says the version of package.json', t => {
  t.true(readFileSync(join(root, 'lib/version.ts'), 'utf8').includes(`version = '${version}'`))
})

test('--permission without --allow-addons is ERR_SHM_ADDONS_FORBIDDEN, which names the flag; with it, shmem loads', async t => {
  const folder = install(t, { [here]: image })
  const { code, hint = '' } = await load(folder, [permission, '--allow-fs-read=*'])
  t.is(code, 'ERR_SHM_ADDONS_FORBIDDEN')
  t.true(hint.includes('--allow-addons'))
  // The program alone may be read: not /proc, which tells the C library.
  t.deepEqual(await load(folder, [permission, '--allow-addons', `--allow-fs-read=${folder}/*`]), { loaded: true, isSupported: true })
})

test('--no-addons is ERR_SHM_ADDONS_FORBIDDEN', async t => {
  const { code, hint = '' } = await load(install(t, { [here]: image }), ['--no-addons'])
  t.is(code, 'ERR_SHM_ADDONS_FORBIDDEN')
  t.true(hint.includes('--no-addons'))
})

test('a runtime without external buffers copies, and says so where it cannot', async t => {
  if (here.endsWith('musl')) return skip(t, 'dlvsym(3), by which the runtime is changed, is glibc’s')
  const since = process.arch === 'x64' ? 'GLIBC_2.2.5' : 'GLIBC_2.17'
  const library = compileC(t, 'no-external-buffers', ['-shared', '-fPIC', '-ldl', `-DSINCE="${since}"`])
  if (library === undefined) return
  const child = fileURLToPath(new URL('children/no-external-buffers.js', import.meta.url))
  const said = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [child], { timeout: 30_000, env: { ...process.env, LD_PRELOAD: library } }, (error, stdout) => {
      if (error === null) resolve(stdout)
      else reject(error)
    })
  })
  t.deepEqual(JSON.parse(said), {
    read: [7, 8],
    buffer: 'ERR_SHM_NO_EXTERNAL_BUFFERS',
    bytes: 'ERR_SHM_NO_EXTERNAL_BUFFERS',
    managed: 'ERR_SHM_NO_EXTERNAL_BUFFERS',
    raw: 'ERR_SHM_NO_EXTERNAL_BUFFERS'
  })
})

function found(other: string, wanted: string): RegExp {
  const words = (target: string): string => `${target.split('-')[1]} with ${target.endsWith('gnu') ? 'glibc' : 'musl'}`
  return new RegExp(`for ${words(other)}.* runs on ${words(wanted)}`, 'u')
}
