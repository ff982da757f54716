/**
 * A picture of figures that lie far apart: a dot a row for the median, a line from the smallest sample to the largest, on scales on which each
 * grid line is ten times the one before. Bars would have to begin at a zero, which such a scale does not have.
 */
import type { GroupMark, Mark, Scale, Spec } from 'vega'
import type { Summary } from '../support/statistics.js'
import { colour, font } from './paper.js'

/** Whose number it is: ours, that of native code, or of what else there is. */
export type Side = 'ours' | 'native' | 'other'

export interface Dot extends Summary {
  label: string
  side: Side
  /** The median, with its unit. */
  text: string
}

/** A row without a dot: what the next ones are about. */
export interface Heading {
  heading: string
}

export interface Panel {
  title: string
  /** What is better, in a few words. */
  note: string
  rows: readonly (Dot | Heading)[]
  /** A value that is marked by a line, as 1 is where ratios are drawn. */
  reference?: number
  /** What stands at a grid line. */
  tick: (value: number) => string
}

export interface Dots {
  title: string
  subtitle: string
  /** What the colours of the dots mean. */
  legend: Readonly<Record<Side, string>>
  /** One line each. */
  footnotes: readonly string[]
  columns: number
  panels: readonly Panel[]
  /** Of the labels of a row, in pixels. */
  labelWidth: number
  panelWidth: number
}

const margin = 24
const gap = 44
const rowHeight = 21
const topOfRows = 44
const belowRows = 36
const textWidth = 76
const legendWidth = 250

export function specOf({ title, subtitle, legend, footnotes, columns, panels, labelWidth, panelWidth }: Dots): Spec {
  const groups: GroupMark[] = []
  let top = title === '' ? 0 : 62
  for (let first = 0; first < panels.length; first += columns) {
    const line = panels.slice(first, first + columns)
    line.forEach((panel, column) => {
      groups.push({ type: 'group', ...panelOf(panel, column * (panelWidth + gap), top, labelWidth, panelWidth) })
    })
    top += Math.max(...line.map(heightOf)) + 14
  }
  const width = columns * panelWidth + (columns - 1) * gap
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width,
    height: top + 8 + footnotes.length * 16,
    padding: margin,
    autosize: 'none',
    marks: [
      ...(title === '' ? [] : [words(title, 0, 16, { fontSize: 19, fontWeight: 600 }), words(subtitle, 0, 38, { fill: colour.faint })]),
      ...groups,
      ...legendOf(legend, top + 2),
      ...footnotes.map((line, index) => words(line, 0, top + 24 + index * 16, { fill: colour.faint, fontSize: 11 })),
    ],
  }
}

function heightOf({ rows }: Panel): number {
  return topOfRows + rows.length * rowHeight + belowRows
}

function panelOf(panel: Panel, x: number, y: number, labelWidth: number, panelWidth: number): Partial<GroupMark> {
  const { title, note, rows, reference, tick } = panel
  const dots = rows.flatMap((row, index) => ('heading' in row ? [] : [{ ...row, y: middleOf(index), paint: colour[row.side] }]))
  const [low, high] = decadesOf([...dots.flatMap(({ min, max }) => [min, max]), ...(reference === undefined ? [] : [reference])])
  // Where the scale is long every second grid line is enough to read it.
  const tickText = (value: number, index: number): string => (ticks.length > 4 && index % 2 === 1 ? '' : tick(value))
  const ticks = Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, index) => low * 10 ** index)
  const bottom = topOfRows + rows.length * rowHeight + 4
  const scale: Scale = { name: 'x', type: 'log', domain: [low, high], range: [labelWidth, panelWidth - textWidth] }
  const at = (field: 'min' | 'max' | 'median'): object => ({ scale: 'x', field })
  const vertical = (values: readonly number[], stroke: string, strokeWidth: number): Mark => ({
    type: 'rule',
    from: { data: values === ticks ? 'ticks' : 'references' },
    encode: { update: { x: { scale: 'x', field: 'data' }, y: { value: topOfRows - 4 }, y2: { value: bottom }, stroke: { value: stroke }, strokeWidth: { value: strokeWidth } } },
  })
  const headings = rows.flatMap((row, index) => ('heading' in row ? [words(row.heading, 0, middleOf(index) + 4, { fontWeight: 600 })] : []))
  return {
    encode: { update: { x: { value: x }, y: { value: y }, width: { value: panelWidth }, height: { value: heightOf(panel) } } },
    data: [
      { name: 'dots', values: dots.map(({ label, side, text, median, min, max, y: middle, paint }) => ({ label, side, text, median, min, max, y: middle, paint })) },
      { name: 'ticks', values: ticks.map((value, index) => ({ data: value, text: tickText(value, index) })) },
      { name: 'references', values: reference === undefined ? [] : [{ data: reference }] },
    ],
    scales: [scale],
    marks: [
      words(title, 0, 12, { fontSize: 14, fontWeight: 600 }),
      words(note, 0, 29, { fill: colour.faint, fontSize: 12 }),
      vertical(ticks, colour.grid, 1),
      vertical([], colour.faint, 1.5),
      {
        type: 'text',
        from: { data: 'ticks' },
        encode: { update: { ...lettering({ fill: colour.faint, fontSize: 11 }), x: { scale: 'x', field: 'data' }, y: { value: bottom + 14 }, align: { value: 'center' }, text: { field: 'text' } } },
      },
      ...headings,
      {
        type: 'rule',
        from: { data: 'dots' },
        encode: { update: { x: at('min'), x2: at('max'), y: { field: 'y' }, stroke: { field: 'paint' }, strokeWidth: { value: 3 }, strokeCap: { value: 'round' }, opacity: { value: 0.45 } } },
      },
      {
        type: 'symbol',
        from: { data: 'dots' },
        encode: { update: { x: at('median'), y: { field: 'y' }, size: { value: 84 }, fill: { field: 'paint' } } },
      },
      {
        type: 'text',
        from: { data: 'dots' },
        encode: {
          update: {
            ...lettering({}),
            y: { field: 'y', offset: 4 },
            text: { field: 'label' },
            fontWeight: [{ test: "datum.side === 'ours'", value: 600 }, { value: 400 }],
            fill: [{ test: "datum.side === 'ours'", value: colour.ours }, { value: colour.ink }],
          },
        },
      },
      {
        type: 'text',
        from: { data: 'dots' },
        encode: {
          update: {
            ...lettering({}),
            x: { value: panelWidth },
            y: { field: 'y', offset: 4 },
            align: { value: 'right' },
            text: { field: 'text' },
            fontWeight: [{ test: "datum.side === 'ours'", value: 600 }, { value: 400 }],
          },
        },
      },
    ],
  }
}

/** The letters are not measured: each entry has room for the longest. */
function legendOf(legend: Dots['legend'], y: number): Mark[] {
  return (Object.keys(legend) as Side[]).flatMap((side, index): Mark[] => [
    { type: 'symbol', encode: { update: { x: { value: index * legendWidth + 5 }, y: { value: y }, size: { value: 84 }, fill: { value: colour[side] } } } },
    words(legend[side], index * legendWidth + 16, y + 4, { fontSize: 12 }),
  ])
}

const middleOf = (index: number): number => topOfRows + index * rowHeight + rowHeight / 2

/** The powers of ten around all values; at least one step. */
function decadesOf(values: readonly number[]): [low: number, high: number] {
  const low = Math.floor(Math.log10(Math.min(...values)) + 1e-9)
  const high = Math.ceil(Math.log10(Math.max(...values)) - 1e-9)
  return [10 ** low, 10 ** Math.max(high, low + 1)]
}

interface Letters {
  fill?: string
  fontSize?: number
  fontWeight?: number
}

function lettering({ fill = colour.ink, fontSize = 13, fontWeight = 400 }: Letters): Record<string, { value: string | number }> {
  return { font: { value: font }, fontSize: { value: fontSize }, fontWeight: { value: fontWeight }, fill: { value: fill } }
}

function words(text: string, x: number, y: number, letters: Letters): Mark {
  return { type: 'text', encode: { update: { ...lettering(letters), x: { value: x }, y: { value: y }, text: { value: text } } } }
}
