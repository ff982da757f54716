/**
 * The pictures of the guide are what scripts/pictures.mjs draws, each is shown in a document, and each brings colours for light and for dark ground.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = new URL('../../', import.meta.url)
const { draw, pictures } = (await import(new URL('scripts/pictures.mjs', root).href)) as { draw(name: string): string; pictures: Record<string, unknown> }
const folder = fileURLToPath(new URL('docs/pictures', root))

test('docs/pictures has what scripts/pictures.mjs draws, and nothing else', t => {
  t.deepEqual(readdirSync(folder).toSorted(), Object.keys(pictures).map(name => `${name}.svg`).toSorted())
  for (const name of Object.keys(pictures)) {
    const drawn = readFileSync(`${folder}/${name}.svg`, 'utf8')
    t.true(drawn === draw(name), `${name}: run node scripts/pictures.mjs`)
    t.regex(drawn, /prefers-color-scheme: dark/)
  }
})

test('the guide shows every picture', t => {
  const guide = readFileSync(new URL('docs/guide.md', root), 'utf8')
  t.deepEqual(Object.keys(pictures).filter(name => !guide.includes(`](pictures/${name}.svg)`)), [])
})
