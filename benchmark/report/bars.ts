/** A picture of figures of one size: horizontal bars in groups. */
import type { Spec } from 'vega'
import { colour, font, svgOf as onPaper } from './paper.js'

/** One bar; its whisker goes from the smallest to the largest sample. */
export interface Bar {
  group: string
  name: string
  median: number
  min: number
  max: number
}

/** What is drawn: groups of bars over one axis. */
export interface Bars {
  /** Of the axis, with its unit. */
  axis: string
  bars: readonly Bar[]
}

const WIDTH = 640
const BAND = 26
/** Told apart in grey, too, and by those who see no red or green (Okabe and Ito). */
const COLOURS = ['#0072b2', '#56b4e9', '#d55e00', '#e69f00', '#009e73', '#8fd3bd']

/** The picture as the text of a file. */
export async function svgOf(plot: Bars): Promise<string> {
  const words = plot.bars.map(({ group, name, median }) => `${group}, ${name}: ${threeDigits(median)}`).join('; ')
  return await onPaper(specOf(plot), `${plot.axis}: ${words}`)
}

function specOf({ axis, bars }: Bars): Spec {
  const names = [...new Set(bars.map(({ name }) => name))]
  const cell = names.length * BAND
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width: WIDTH,
    padding: 24,
    config: { title: { color: colour.ink }, axis: { labelColor: colour.ink, titleColor: colour.faint, gridColor: colour.grid } },
    layout: { padding: 18, columns: 1, titleAnchor: 'start', align: 'all', bounds: 'full' },
    data: [{ name: 'bars', values: bars.map((bar) => ({ ...bar, text: threeDigits(bar.median) })) }],
    scales: [
      { name: 'x', type: 'linear', domain: { data: 'bars', field: 'max' }, range: [0, WIDTH], zero: true, nice: true },
      { name: 'y', type: 'band', domain: names, range: [0, cell], padding: 0.2 },
      { name: 'colour', type: 'ordinal', domain: names, range: COLOURS },
    ],
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'cell', data: 'bars', groupby: 'group' } },
        title: { text: { signal: 'parent.group' }, anchor: 'start', font, fontSize: 13, offset: 6 },
        encode: { update: { width: { value: WIDTH }, height: { value: cell } } },
        // Grid lines are as long as this signal says, not as their group.
        signals: [{ name: 'height', value: cell }],
        axes: [
          { orient: 'left', scale: 'y', domain: false, ticks: false, labelPadding: 8, labelLimit: 0, labelFont: font, labelFontSize: 12 },
          { orient: 'bottom', scale: 'x', title: axis, titleFont: font, titleFontWeight: 'normal', labelFont: font, grid: true, domain: false, ticks: false },
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
                stroke: { value: colour.ink },
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
                fill: { value: colour.ink },
                font: { value: font },
                fontSize: { value: 12 },
              },
            },
          },
        ],
      },
    ],
  } as Spec
}

const threeDigits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))
