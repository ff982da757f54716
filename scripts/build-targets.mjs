/**
 * `npm run build:targets`: the native images of all four machines, built on one that runs Debian on x64, and checked
 * (scripts/check-images.mjs); `-- --only linux-x64-musl,…` some of them. They go to native/, from where `npm run stage` takes them.
 *
 * Debian's rustc builds Rust's standard library for each machine from Debian's source, and zig, which comes from PyPI, links: it has
 * glibc's symbols of every version, musl, and LLVM's unwinder, so that an image needs the C library and nothing else.
 * As root, what is missing of Debian's packages is installed. Everything else goes to target/.
 */
import { copyFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { checkImages, zigPackages } from './check-images.mjs'
import { debian, pip } from './packages.mjs'
import { Stop, capture, main, root, timed } from './process.mjs'
import { chooseTargets } from './targets.mjs'

/** What images of glibc are linked against: the oldest that Rust's standard library knows of. */
const glibc = '2.17'
const tools = join(root, 'target/tools/zig')
const output = join(root, 'target/images')
// By their paths: rustup's, which has no source of the standard library, comes first on PATH where there is one.
const [rustc, cargo] = ['rustc', 'cargo'].map((name) => `/usr/bin/${name}`)
const standardLibrary = '/usr/lib/rustlib/src/rust/library/std/Cargo.toml'

await main(async (args) => {
  const chosen = chooseTargets(args, 'npm run build:targets')
  await timed('tools', installTools)
  // The types of the binding come with the image that is built for this machine, whose place is taken here.
  await bootstrap()
  for (const target of chosen) await timed(target.name, () => build(target))
  return await checkImages(chosen)
})

function installTools() {
  debian(
    { 'rustc-web': rustc, 'cargo-web': cargo, 'rust-web-src': standardLibrary, gcc: '/usr/bin/cc', 'python3-pip': 'pip' },
    'Building images',
  )
  // Debian's plain rustc is years older than its rustc-web, under the same path.
  const version = /\d+\.(\d+)/.exec(capture(rustc, ['--version']).stdout)
  if (Number(version?.[1]) < 88) throw new Stop(`\nBuilding images needs rustc 1.88; ${rustc} is ${version[0]}.`)
  return pip(tools, zigPackages)
}

function build({ triple, abi, image }) {
  const version = abi === 'gnu' ? `.${glibc}` : ''
  const args = ['zigbuild', '--release', '--locked', '--package', 'shmem-node', '--target', `${triple}${version}`, '-Zbuild-std=std,panic_unwind']
  const { ok, output: words } = capture(join(tools, 'bin/cargo-zigbuild'), args, { env: environment(abi) })
  if (!ok) throw new Stop(`\n${words.trimEnd()}\n\ncargo zigbuild failed for ${triple}.`)
  copyFileSync(join(output, triple, 'release/libshmem.so'), image)
}

function environment(abi) {
  const registry = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry/src')
  const flags = [
    // An image is the same wherever it is built, and tells nobody where.
    `--remap-path-prefix=${root}=shmem`,
    `--remap-path-prefix=${registry}=registry`,
    // Otherwise a musl program is a static one, and no library can be built.
    ...(abi === 'musl' ? ['-Ctarget-feature=-crt-static'] : []),
  ]
  return {
    ...process.env,
    // -Z on a compiler that is no nightly.
    RUSTC_BOOTSTRAP: '1',
    RUSTC: rustc,
    CARGO: cargo,
    CARGO_TARGET_DIR: output,
    CARGO_ENCODED_RUSTFLAGS: flags.join('\x1f'),
    CARGO_ZIGBUILD_ZIG_PATH: join(tools, 'ziglang/zig'),
    PYTHONPATH: tools,
  }
}
