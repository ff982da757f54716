/**
 * `npm run docs`: the documentation as a site, in target/site: the reference from the doc comments, every document as a page, README.md in front.
 * Fails where a public name has no doc comment, or a link leads nowhere. The tools are in scripts/docs-tools, with a lock file of their own, and are installed
 * into target/docs-tools.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { bootstrap } from './bootstrap.mjs'
import { Stop, capture, main, root, timed } from './process.mjs'

const recipe = join(root, 'scripts/docs-tools')
const tools = join(root, 'target/docs-tools')
const site = join(root, 'target/site')
/** Pages for links to folders. */
const folders = { benchmark: 'benchmark', results: 'benchmark', examples: 'examples', pitfalls: 'examples-pitfalls', docs: 'guide' }

await main(async () => {
  await bootstrap()
  await timed('docs tools', installTools)
  await timed('site', build)
  const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'))
  retarget(pages)
  const links = checkLinks(pages)
  console.log(`${relative(root, site)}/index.html: ${pages.length} pages, ${links} links`)
})

function installTools() {
  const installed = statSync(join(tools, 'node_modules/.package-lock.json'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (installed >= statSync(join(recipe, 'package-lock.json')).mtimeMs) return 'up to date'
  mkdirSync(tools, { recursive: true })
  for (const name of ['package.json', 'package-lock.json']) cpSync(join(recipe, name), join(tools, name))
  const { ok, output } = capture('npm', ['ci', '--prefix', tools, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nInstalling typedoc failed.`)
}

function build() {
  rmSync(site, { recursive: true, force: true })
  // The plugin imports typedoc, and is found beside it.
  for (const name of readdirSync(recipe).filter((file) => file.endsWith('.mjs'))) cpSync(join(recipe, name), join(tools, name))
  const typedoc = join(tools, 'node_modules/typedoc/bin/typedoc')
  const { ok, output } = capture(process.execPath, [typedoc, '--options', join(recipe, 'typedoc.json'), '--plugin', join(tools, 'titles.mjs')])
  // Links to folders are retargeted below; a language without colours is no fault.
  const complaints = stripVTControlCharacters(output).split('\n').filter((line) => /^\[(?:warning|error)\]/u.test(line) && !/is not a file and will not be copied|will not be highlighted|Found \d+ errors/u.test(line))
  if (!ok || complaints.length > 0) throw new Stop(`\n${output.trimEnd()}\n\nThe site has faults.`)
}

/** Folders have no page: their README.md has. Without a server nothing adds index.html. And a browser shows programs as text, where it would download them by their own names. */
function retarget(pages) {
  const media = join(site, 'media')
  const programs = existsSync(media) ? readdirSync(media).filter((name) => /\.(?:ts|mjs|rs|c|cpp|h|py|json|toml)$/u.test(name)) : []
  for (const name of programs) renameSync(join(media, name), join(media, `${name}.txt`))
  for (const page of pages) {
    const path = join(site, page)
    const html = readFileSync(path, 'utf8')
    const linked = html.replaceAll(/(href="(?:\.\.\/)+)(?=[#"])/gu, '$1index.html').replaceAll(/href="((?:\.\.\/)*)media\/([^"#]+)/gu, (link, up, name) => {
      if (Object.hasOwn(folders, name)) return `href="${up}documents/${folders[name]}.html`
      return programs.includes(name) ? `${link}.txt` : link
    })
    if (linked !== html) writeFileSync(path, linked)
  }
}

/** Every link and picture within the site leads to a file that is there, and to an anchor of it. Answers how many there are. */
function checkLinks(pages) {
  const anchors = new Map()
  const anchorsOf = (path) => {
    if (!anchors.has(path)) anchors.set(path, new Set([...readFileSync(path, 'utf8').matchAll(/\b(?:id|name)="([^"]+)"/gu)].map(([, id]) => id)))
    return anchors.get(path)
  }
  const broken = []
  let count = 0
  for (const page of pages) {
    const path = join(site, page)
    for (const [, link] of readFileSync(path, 'utf8').matchAll(/<(?:a|img)\b[^>]*?\b(?:href|src)="([^"]*)"/gu)) {
      if (/^[a-z]+:/u.test(link)) continue
      count += 1
      const [file, anchor] = link.replaceAll('&amp;', '&').split('#')
      const target = file === '' ? path : resolve(dirname(path), decodeURIComponent(file))
      const isThere = statSync(target, { throwIfNoEntry: false })?.isFile() === true
      if (!isThere || (anchor !== undefined && anchor !== '' && target.endsWith('.html') && !anchorsOf(target).has(decodeURIComponent(anchor)))) broken.push(`${page}: ${link}`)
    }
  }
  if (broken.length > 0) throw new Stop(`Links that lead nowhere:\n${broken.join('\n')}`)
  return count
}
