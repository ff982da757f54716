/**
 * `npm run test:musl`: the core's own tests as static programs of musl, with Debian's packages alone; `-- posix` runs those
 * whose name contains the word. It installs nothing unless told to: `-- --install` begins with apt-get.
 * Rust brings musl's standard library with rustup only, so it is built here, from Debian's source, in target/musl.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop, capture, foreground, main, root, stream, timed } from './process.mjs'
import { CargoTally, conclude } from './tally.mjs'

const packages = ['rustc-web', 'cargo-web', 'rust-web-src', 'musl-tools']
// By their paths: rustup's, which has no source of the standard library, comes first on PATH where there is one.
const [rustc, cargo, rustdoc] = ['rustc', 'cargo', 'rustdoc'].map((name) => `/usr/bin/${name}`)
const needed = [rustc, cargo, rustdoc, '/usr/bin/musl-gcc', '/usr/lib/rustlib/src/rust/library/std/Cargo.toml']
const target = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-musl`
const folder = join(root, 'target/musl')
const libraries = join(folder, 'lib')

await main(async (args) => {
  const [word, ...more] = args.filter((arg) => arg !== '--install')
  if (more.length > 0 || word?.startsWith('-')) throw new Stop('Usage: npm run test:musl -- [--install] [word]')
  if (args.includes('--install')) await install()
  checkTools()
  await timed('unwinder', makeUnwinder)

  const tally = new CargoTally({ mayBeEmpty: word !== undefined })
  const build = ['--workspace', '--exclude', 'shmem-node', '--target', target, '-Zbuild-std=std,panic_unwind,test']
  const run = ['--no-fail-fast', '--', '--show-output', ...(word === undefined ? [] : [word])]
  const end = await stream(cargo, ['test', ...build, ...run], { env: environment(), onLine: (line) => tally.line(line) })
  return conclude(tally.close(end))
})

async function install() {
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const code = await foreground('apt-get', args).catch(() => 127)
    if (code !== 0) throw new Stop(`apt-get ${args.join(' ')} ended with code ${code}.`)
  }
}

function checkTools() {
  const missing = needed.filter((path) => !existsSync(path))
  // Debian's plain rustc is years older than its rustc-web, under the same path.
  const version = /\d+\.(\d+)/.exec(capture(rustc, ['--version']).stdout)
  if (missing.length === 0 && Number(version?.[1]) < 88) missing.push(`rustc 1.88 (${rustc} is ${version[0]})`)
  if (missing.length === 0) return
  throw new Stop(`Missing: ${missing.join(', ')}. apt-get install ${packages.join(' ')} (or npm run test:musl -- --install).`)
}

/** The standard library of musl links libunwind; Debian has libgcc_eh, which comes to the same with musl-unwind.c. */
function makeUnwinder() {
  mkdirSync(libraries, { recursive: true })
  const object = join(libraries, 'musl-unwind.o')
  const { ok, output } = capture('/usr/bin/musl-gcc', ['-O1', '-fPIC', '-Wall', '-Wextra', '-c', join(root, 'scripts/musl-unwind.c'), '-o', object])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nCompiling musl-unwind.c failed.`)
  // A linker script, which the linker takes for a library.
  writeFileSync(join(libraries, 'libunwind.a'), `INPUT("${object}" -lgcc_eh -lgcc)\n`)
}

function environment() {
  // musl-gcc brings the start files; Debian has none for a static program at a random address.
  const flags = ['-Clink-self-contained=no', '-Crelocation-model=static', `-Lnative=${libraries}`].join('\x1f')
  return {
    ...process.env,
    // -Z on a compiler that is no nightly.
    RUSTC_BOOTSTRAP: '1',
    RUSTC: rustc,
    RUSTDOC: rustdoc,
    CARGO_TARGET_DIR: folder,
    CARGO_ENCODED_RUSTFLAGS: flags,
    CARGO_ENCODED_RUSTDOCFLAGS: flags,
    [`CARGO_TARGET_${target.toUpperCase().replaceAll('-', '_')}_LINKER`]: '/usr/bin/musl-gcc',
  }
}
