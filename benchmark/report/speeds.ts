/** The picture of one question: how many times as fast we are as each other side, with a line at 1. */
import { specOf, type Dot, type Heading } from './dots.js'
import { speedOf, verdictOf, type NamedOutcome } from './outcome.js'
import { svgOf } from './paper.js'
import { short } from './table.js'

/** An SVG; a question whose ratios cannot be drawn, because none is above zero, has none. */
export async function speedsOf({ question, comparisons }: NamedOutcome): Promise<string | undefined> {
  const rows: (Dot | Heading)[] = []
  let above = ''
  for (const comparison of comparisons) {
    const { subject, ours, other, unit } = comparison
    const speed = speedOf(comparison)
    if (!(speed.min > 0) || !Number.isFinite(speed.max)) continue
    const heading = `${subject}: ${ours.name}${unit === 'faults' || unit === 'switches' ? `, ${unit}` : ''}`
    if (heading !== above) rows.push({ heading })
    above = heading
    const side = { faster: 'ours', even: 'other', slower: 'native' } as const
    rows.push({ label: `beside ${other.name}`, side: side[verdictOf(comparison)], text: `${short(speed.median)} ×`, ...speed })
  }
  if (rows.length === 0) return undefined
  const tick = (value: number): string => (value >= 1 ? String(Math.round(value)) : String(Number(value.toPrecision(1))))
  const spec = specOf({
    title: '',
    subtitle: '',
    legend: { ours: 'we are faster', native: 'the other side is faster', other: 'as fast, in three digits' },
    footnotes: ['A dot is the median of the ratios within each round; its line goes from the smallest to the largest. The scale is logarithmic.'],
    columns: 1,
    panels: [{ title: question, note: 'how many times as fast as the other side', rows, reference: 1, tick }],
    labelWidth: 270,
    panelWidth: 800,
  })
  const words = rows.map((row) => ('heading' in row ? row.heading : `${row.label} ${row.text}`)).join('; ')
  return await svgOf(spec, `${question} Times as fast as the other side: ${words}`)
}
