/**
 * A picture of figures: horizontal bars in groups, as SVG, drawn by Vega without a browser. Its letters follow the reader's light or dark scheme where
 * the viewer tells it, as GitHub does for pictures in a page.
 */
import { parse, View, type Spec } from 'vega'

/** One bar; its whisker goes from the smallest to the largest sample. */
export interface Bar {
  group: string
  name: string
  median: number
  min: number
  max: number
}

export interface Plot {
  /** Of the axis, with its unit. */
  axis: string
  bars: readonly Bar[]
}

const WIDTH = 640
const BAND = 26
/** Told apart in grey, too, and by those who see no red or green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#56b4e9', '#d55e00', '#e69f00', '#009e73', '#8fd3bd']
const INK = '#24292f'
const SCHEMES = `<style>text{fill:${INK}}@media(prefers-color-scheme:dark){text{fill:#d7dde3}.mark-rule.role-mark line{stroke:#d7dde3}}</style>`

/** The picture as the text of a file. */
export async function svgOf(plot: Plot): Promise<string> {
  const view = new View(parse(specOf(plot)), { renderer: 'none' })
  const svg = await view.toSVG()
  view.finalize()
  return `${svg.replace(/(<svg[^>]*>)/u, `$1${SCHEMES}`)}\n`
}

function specOf({ axis, bars }: Plot): Spec {
  const names = [...new Set(bars.map(({ name }) => name))]
  const cell = names.length * BAND
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width: WIDTH,
    padding: 8,
    layout: { padding: 18, columns: 1, titleAnchor: 'start', align: 'all', bounds: 'full' },
    data: [{ name: 'bars', values: bars.map((bar) => ({ ...bar, text: bar.median >= 100 ? bar.median.toFixed(0) : bar.median.toPrecision(3) })) }],
    scales: [
      { name: 'x', type: 'linear', domain: { data: 'bars', field: 'max' }, range: [0, WIDTH], zero: true, nice: true },
      { name: 'y', type: 'band', domain: names, range: [0, cell], padding: 0.2 },
      { name: 'colour', type: 'ordinal', domain: names, range: COLOURS },
    ],
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'cell', data: 'bars', groupby: 'group' } },
        title: { text: { signal: 'parent.group' }, anchor: 'start', font: 'sans-serif', fontSize: 13, offset: 6 },
        encode: { update: { width: { value: WIDTH }, height: { value: cell } } },
        axes: [
          { orient: 'left', scale: 'y', domain: false, ticks: false, labelPadding: 8, labelLimit: 0, labelFont: 'sans-serif', labelFontSize: 12 },
          { orient: 'bottom', scale: 'x', title: axis, titleFont: 'sans-serif', titleFontWeight: 'normal', labelFont: 'sans-serif', grid: true, gridColor: '#8c959f', gridOpacity: 0.35, domain: false, ticks: false },
        ],
        marks: [
          {
            type: 'rect',
            from: { data: 'cell' },
            encode: {
              update: {
                x: { scale: 'x', value: 0 },
                x2: { scale: 'x', field: 'median' },
                y: { scale: 'y', field: 'name' },
                height: { scale: 'y', band: 1 },
                fill: { scale: 'colour', field: 'name' },
              },
            },
          },
          {
            type: 'rule',
            from: { data: 'cell' },
            encode: {
              update: {
                x: { scale: 'x', field: 'min' },
                x2: { scale: 'x', field: 'max' },
                y: { scale: 'y', field: 'name', band: 0.5 },
                stroke: { value: INK },
              },
            },
          },
          {
            type: 'text',
            from: { data: 'cell' },
            encode: {
              update: {
                x: { scale: 'x', field: 'max', offset: 6 },
                y: { scale: 'y', field: 'name', band: 0.5 },
                text: { field: 'text' },
                baseline: { value: 'middle' },
                font: { value: 'sans-serif' },
                fontSize: { value: 12 },
              },
            },
          },
        ],
      },
    ],
  } as Spec
}
