/**
 * The other sides of `examples/peers`: programs in C, C++, Rust and Python, built or found by the test itself. Each answers a command, or says why there is
 * none here: then the test steps aside.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A command, or why there is none. */
export type Found = string[] | { missing: string }

/** The repository; compiled files lie in `dist/__test__/support`. */
export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Compiles a program of `examples/peers` into `folder`. Warnings are errors. */
export function compiled(compiler: 'cc' | 'c++', source: string, folder: string, flags: string[] = []): Found {
  if (spawnSync(compiler, ['--version']).error !== undefined) return { missing: `there is no ${compiler}` }
  const program = join(folder, source.replace(/\W/gu, '-'))
  const standard = compiler === 'cc' ? '-std=gnu11' : '-std=c++17'
  const words = [standard, '-O1', '-Wall', '-Wextra', '-Werror', '-pthread', '-o', program, join(root, 'examples/peers', source), ...flags]
  const done = spawnSync(compiler, words, { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`${compiler} ${source}: ${done.stderr}`)
  return [program]
}

/** The same, for a program that needs Boost.Interprocess. `CPLUS_INCLUDE_PATH` may lead to it. */
export function compiledWithBoost(source: string, folder: string): Found {
  const looked = spawnSync('c++', ['-fsyntax-only', '-x', 'c++', '-include', 'boost/interprocess/interprocess_fwd.hpp', '/dev/null'], { encoding: 'utf8' })
  if (looked.error === undefined && looked.status !== 0) return { missing: 'the headers of Boost.Interprocess are not here (libboost-dev)' }
  return compiled('c++', source, folder)
}

/** Builds an example of the core's crate: what `cargo test` has built already, if it ran. */
export function cargoExample(name: string): Found {
  if (spawnSync('cargo', ['--version']).error !== undefined) return { missing: 'there is no cargo' }
  const done = spawnSync('cargo', ['build', '--quiet', '--locked', '-p', 'shmem-core', '--example', name], { cwd: root, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`cargo: ${done.stderr}`)
  return [join(root, 'target/debug/examples', name)]
}

/** Python. */
export function python(): Found {
  return (foundPython ??= lookForPython())
}

let foundPython: Found | undefined

function lookForPython(): Found {
  if (spawnSync('python3', ['--version']).error !== undefined) return { missing: 'there is no python3' }
  const tried = spawnSync('python3', ['-c', 'import multiprocessing.shared_memory'], { encoding: 'utf8' })
  return tried.status === 0 ? ['python3'] : { missing: `python3 has no multiprocessing.shared_memory: ${lastLine(tried.stderr)}` }
}

/** The same, with a package of PyPI: the one that is installed, or one that pip puts into `target/peers`, once. */
export function pythonWith(name: string, version: string): Found {
  const found = packages.get(name) ?? lookForPackage(name, version)
  packages.set(name, found)
  return found
}

const packages = new Map<string, Found>()

function lookForPackage(name: string, version: string): Found {
  const command = python()
  if ('missing' in command || imports(name)) return command
  const folder = join(root, 'target/peers', `${name}-${version}-${pythonVersion()}`)
  if (!existsSync(folder)) {
    const unfinished = `${folder}.${process.pid}`
    mkdirSync(dirname(folder), { recursive: true })
    // No retries: without a registry that takes minutes.
    const words = ['-m', 'pip', 'install', '--quiet', '--retries', '0', '--timeout', '20', '--no-deps', '--target', unfinished, `${name}==${version}`]
    const done = spawnSync('python3', words, { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' })
    if (done.status !== 0) {
      rmSync(unfinished, { recursive: true, force: true })
      return { missing: `pip cannot install ${name}: ${lastLine(done.stderr)}` }
    }
    renameSync(unfinished, folder)
  }
  return ['env', `PYTHONPATH=${folder}`, ...command]
}

/** A program of `examples/peers/python`, behind the Python that can run it. */
export function running(command: Found, source: string): Found {
  return 'missing' in command ? command : [...command, join(root, 'examples/peers/python', source)]
}

function imports(name: string): boolean {
  return spawnSync('python3', ['-c', `import ${name}`]).status === 0
}

function pythonVersion(): string {
  return spawnSync('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { encoding: 'utf8' }).stdout.trim()
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? ''
}
