/**
 * What every picture of ours has: a card of its own to stand on, so that it reads on any page, its colours, and the same colours for a reader who
 * has a dark screen. The dark ones come by a style sheet; a viewer that knows none shows the light card.
 */
import { parse, View, type Spec } from 'vega'

export const font = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'

/** Told apart in grey, too, and by those who see no red or green. */
export const colour = {
  card: '#ffffff',
  edge: '#d0d7de',
  ink: '#1f2328',
  faint: '#656d76',
  grid: '#d8dee4',
  ours: '#0969da',
  native: '#bc4c00',
  other: '#8c959f',
} as const

const dark: Record<keyof typeof colour, string> = {
  card: '#0d1117',
  edge: '#3d444d',
  ink: '#e6edf3',
  faint: '#9198a1',
  grid: '#2a313c',
  ours: '#58a6ff',
  native: '#f0883e',
  other: '#7d8590',
}

/** The picture of a specification as the text of a file; the words are what it says to who does not see it. */
export async function svgOf(spec: Spec, words: string): Promise<string> {
  const view = new View(parse(spec), { renderer: 'none' })
  const svg = await view.toSVG()
  view.finalize()
  const [, width = '0', height = '0'] = /<svg[^>]* width="(\d+)" height="(\d+)"/u.exec(svg) ?? []
  const card = `<rect x="0.5" y="0.5" width="${Number(width) - 1}" height="${Number(height) - 1}" rx="8" fill="${colour.card}" stroke="${colour.edge}"/>`
  const opening = `<title>${escaped(words)}</title><style>${darkStyle()}</style>${card}`
  return `${svg.replace(/<svg([^>]*)>/u, `<svg role="img"$1>${opening}`)}\n`
}

function darkStyle(): string {
  const rules = (Object.keys(colour) as (keyof typeof colour)[]).flatMap((name) =>
    ['fill', 'stroke'].map((paint) => `[${paint}="${colour[name]}"]{${paint}:${dark[name]}}`),
  )
  return `@media(prefers-color-scheme:dark){${rules.join('')}}`
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
