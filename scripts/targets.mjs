/**
 * The machines that we have images for: what they are called by Rust, by npm and by ELF. For the scripts that build, stage
 * and release; package.json lists the same triples for @napi-rs/cli.
 * Imports no package.
 */
import { join } from 'node:path'
import { Stop, root } from './process.mjs'

export const targets = [
  ['x64', 'gnu', 'x86_64-unknown-linux-gnu'],
  ['arm64', 'gnu', 'aarch64-unknown-linux-gnu'],
  ['x64', 'musl', 'x86_64-unknown-linux-musl'],
  ['arm64', 'musl', 'aarch64-unknown-linux-musl'],
].map(([cpu, abi, triple]) => {
  const name = `linux-${cpu}-${abi}`
  const file = `shmem.${name}.node`
  return { name, cpu, abi, libc: abi === 'gnu' ? 'glibc' : 'musl', triple, file, image: join(root, 'native', file) }
})

/** Those that `--only` names, else all. */
export function chooseTargets(args, command) {
  if (args.length === 0) return targets
  const names = args[0] === '--only' && args.length === 2 ? args[1].split(',').map((name) => name.replace(/^(?!linux-)/, 'linux-')) : []
  const chosen = targets.filter(({ name }) => names.includes(name))
  if (chosen.length === 0 || chosen.length < names.length) {
    throw new Stop(`Usage: ${command} -- --only ${targets.map(({ name }) => name).join(',')}`)
  }
  return chosen
}
