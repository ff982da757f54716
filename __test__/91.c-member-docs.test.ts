/**
 * The example of docs/c.md as it stands there: the C program compiled, the Node program started, and what it promises by `//=>` printed.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test from 'ava'
import { compileWith, hasCompiler } from './support/c-peer.js'
import { skip } from './support/skip.js'

test('the example of docs/c.md compiles, runs in two processes, and prints what it promises', t => {
  if (!hasCompiler('cc')) return skip(t, 'there is no C compiler (cc)')
  const text = readFileSync('docs/c.md', 'utf8')
  const block = (mark: string): string => new RegExp(`^\`\`\`${mark}\n([\\s\\S]*?)^\`\`\`$`, 'mu').exec(text)?.[1] ?? ''
  const folder = mkdtempSync(resolve('dist', 'docs-c-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(resolve('.'), join(folder, 'node_modules/shmem'))
  writeFileSync(join(folder, 'ticks.c'), block('c ticks.c'))
  compileWith('cc', ['-std=c11', '-O1'], join(folder, 'ticks.c'), join(folder, 'ticks'))
  const program = block('mjs prices.mjs')
  const name = `prices-${process.pid}`
  writeFileSync(join(folder, 'prices.mjs'), program.replaceAll("'prices'", `'${name}'`).replaceAll("'/prices'", `'/${name}'`))
  const run = spawnSync(process.execPath, ['prices.mjs'], { cwd: folder, encoding: 'utf8', timeout: 30_000, killSignal: 'SIGKILL' })
  t.is(run.status, 0, run.stderr)
  const promised = [...program.matchAll(/\/\/=> (.*)$/gmu)].map(([, line]) => line)
  t.is(promised.length, 2)
  t.deepEqual(run.stdout.trimEnd().split('\n'), promised)
})

test('docs/c.md names every function and every result of the header, and no other', t => {
  const names = (text: string, pattern: RegExp): string[] => [...new Set([...text.matchAll(pattern)].map(([name]) => name))].sort()
  const header = readFileSync('include/shmem.h', 'utf8').split('#endif /* SHMEM_H */')[0] ?? ''
  const text = readFileSync('docs/c.md', 'utf8')
  const functions = [...header.matchAll(/^[a-z][\w ]*?\*?(shmem_\w+)\(/gmu)].map(([, name = '']) => name)
  t.true(functions.length > 25)
  // `_unlock` in a row stands for the function that begins like the one before.
  t.deepEqual(functions.filter(name => !text.includes(`\`${name}`) && !text.includes(`\`_${name.split('_').slice(2).join('_')}`)), [])
  const results = names(header, /\bSHMEM_[A-Z_]+(?= = -?\d)/gu)
  t.true(results.length > 25)
  t.deepEqual(results.filter(name => !text.includes(`\`${name}\``)), [])
  t.deepEqual(names(text, /\bSHMEM_ERR_[A-Z_]+/gu), results.filter(name => name.startsWith('SHMEM_ERR_')))
})
