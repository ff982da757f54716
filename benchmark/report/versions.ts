/** The version of everything that a benchmark may measure or be built with; what is not here is left out. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { benchmarkFolder } from '../support/paths.js'
import { findBun } from '../support/runtimes.js'

interface Manifest {
  version?: string
  devDependencies?: Record<string, string>
}

/** A component, and its version if it is here. */
type Found = [component: string, version: string | undefined]

/** Of what does not change during a run. Asks the programs, which takes some tenths of a second. */
export function programVersions(): Record<string, string> {
  const bun = findBun()
  return present([
    ['shmem', ownVersion()],
    ['Node.js', process.versions.node],
    ['V8', process.versions.v8],
    ['kernel', release()],
    ['libc', says('getconf', ['GNU_LIBC_VERSION'], /.+/u)],
    ['cc', says('cc', ['--version'], /.+/u)],
    ['rustc', says('rustc', ['--version'], /\d+\.\d+\.\d+\S*/u)],
    ['Bun', bun === undefined ? undefined : says(bun, ['--version'], /\S+/u)],
    ['Python', says('python3', ['--version'], /\d+\.\d+\.\d+\S*/u)],
    ['Java', says('java', ['-version'], /"(.+)"/u)],
    ['Redis', says('redis-server', ['--version'], /v=(\S+)/u)],
  ])
}

/** Of the peers, which the benchmarks install when they first need them. */
export function peerVersions(): Record<string, string> {
  return present([
    ...cratesOf('peers/iceoryx2', ['iceoryx2']),
    ...cratesOf('probes/crossbeam', ['crossbeam-queue']),
    ['Aeron', /<aeron\.version>(.+)<\/aeron\.version>/u.exec(textOf('peers/aeron/pom.xml'))?.[1]],
    ...packagesOf('peers'),
    ...packagesOf('peers/maps'),
  ])
}

function present(found: Found[]): Record<string, string> {
  return Object.fromEntries(found.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** With the commit, and a `+` where files were changed since. */
function ownVersion(): string {
  const version = (JSON.parse(textOf('../package.json')) as Manifest).version ?? ''
  const commit = says('git', ['-C', benchmarkFolder, 'describe', '--always', '--dirty=+', '--exclude=*'], /\S+/u)
  return commit === undefined ? version : `${version} (${commit})`
}

/** What the pattern finds in the output: its first group, or all of it. */
function says(program: string, args: readonly string[], pattern: RegExp): string | undefined {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  const found = status === 0 ? pattern.exec(stdout + stderr) : null
  return found?.[1] ?? found?.[0]
}

function cratesOf(folder: string, names: readonly string[]): Found[] {
  const lock = textOf(`${folder}/Cargo.lock`)
  return names.map((name) => [name, new RegExp(`name = "${name}"\\nversion = "(.+)"`, 'u').exec(lock)?.[1]])
}

/** Those that are installed, of those that the folder asks for. */
function packagesOf(folder: string): Found[] {
  const { devDependencies = {} } = JSON.parse(textOf(`${folder}/package.json`) || '{}') as Manifest
  return Object.keys(devDependencies).map((name) => {
    const manifest = textOf(`${folder}/node_modules/${name}/package.json`)
    return [name, manifest === '' ? undefined : (JSON.parse(manifest) as Manifest).version]
  })
}

/** Empty where there is no such file. */
function textOf(path: string): string {
  return existsSync(benchmarkFolder + path) ? readFileSync(benchmarkFolder + path, 'utf8') : ''
}
