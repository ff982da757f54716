/**
 * The programs of `examples/pitfalls/`: what each prints stands in docs/guide.md, in a block marked with its path, and that it leaves nothing behind. A number
 * behind "about" may be another one. `SHMEM_UPDATE_DOCS=1` writes what came into the guide instead.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { openRoom } from './support/example-room.js'
import { skip } from './support/skip.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = 'examples/pitfalls'
const guide = join(root, 'docs/guide.md')

/** Shell words that run before the program, in its room. */
const setups: Record<string, string> = { 'full-dev-shm': 'mount -o remount,size=1m /dev/shm' }

test('the guide and the list of pitfalls name each of them', t => {
  const quoted = [...readFileSync(guide, 'utf8').matchAll(/^```text examples\/pitfalls\/([\w-]+)\.ts$/gmu)].map(([, name]) => name)
  t.deepEqual(quoted.toSorted(), pitfalls())
  const list = readFileSync(join(root, folder, 'README.md'), 'utf8')
  t.deepEqual(pitfalls().filter(name => !list.includes(`(${name}.ts)`)), [])
})

for (const name of pitfalls()) {
  test.serial(`${name} goes wrong and right as the guide says, and leaves nothing`, async t => {
    const room = await openRoom(t)
    const setup = setups[name]
    if (setup !== undefined && room.whyShared !== undefined) return skip(t, `it wants a /dev/shm of its own: ${room.whyShared}`)
    const { code, stdout, stderr } = await room.run(['sh', '-c', `set -e; ${setup ?? ':'}; exec "$@"`, 'sh', process.execPath, join(root, 'dist', folder, `${name}.js`)])
    t.is(stderr, '')
    t.is(code, 0)
    if (process.env['SHMEM_UPDATE_DOCS'] === '1') writeFileSync(guide, readFileSync(guide, 'utf8').replace(blockOf(name), () => blockOf(name, stdout)))
    t.is(steady(quotedOf(name)), steady(stdout))
    if (room.whyShared === undefined) t.deepEqual(room.leftovers(), [])
    else t.log(`SKIP ${t.title}: what is left cannot be told: ${room.whyShared}`)
  })
}

function pitfalls(): string[] {
  return readdirSync(join(root, folder)).filter(file => file.endsWith('.ts')).map(file => file.slice(0, -3)).toSorted()
}

/** What the guide shows of it. */
function quotedOf(name: string): string {
  const text = readFileSync(guide, 'utf8')
  const begin = text.indexOf(`${fence(name)}\n`)
  const end = text.indexOf('\n```\n', begin)
  return begin === -1 ? '' : text.slice(begin + fence(name).length + 1, end + 1)
}

/** The block as it stands, or with another content. */
function blockOf(name: string, content = quotedOf(name)): string {
  return `${fence(name)}\n${content}\`\`\`\n`
}

function fence(name: string): string {
  return `\`\`\`text ${folder}/${name}.ts`
}

function steady(output: string): string {
  return output.replaceAll(/about [\d.]+/gu, 'about …')
}
