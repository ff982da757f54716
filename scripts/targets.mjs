/**
 * The machines that we have images for: what they are called by Rust, by npm and by ELF. For the scripts that build, stage
 * and release; package.json lists the same triples for @napi-rs/cli.
 * Imports no package.
 */
import { join } from 'node:path'
import { root } from './process.mjs'

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
