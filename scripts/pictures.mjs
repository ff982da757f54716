/**
 * Draws the pictures of the guide into docs/pictures: `node scripts/pictures.mjs`. Each is an SVG without fonts or scripts of its own, readable on light and on
 * dark ground, on a card that brings its own. What a picture shows is said in the guide, in its alternative text.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './process.mjs'

const WIDTH = 760

/** Roles and their colours: line and ground, in the light and in the dark. */
const roles = {
  a: ['#0969da', '#ddf4ff', '#58a6ff', '#122b4a'],
  b: ['#bc4c00', '#fff1e5', '#f0883e', '#3d2413'],
  shared: ['#1a7f37', '#dafbe1', '#3fb950', '#12351f'],
  bad: ['#cf222e', '#ffebe9', '#ff7b72', '#43191c'],
  plain: ['#818b98', '#f6f8fa', '#7d8590', '#1c2128'],
}

const style = `
  text { font: 14px system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, sans-serif; fill: #1f2328 }
  .small { font-size: 12px; fill: #59636e } .title { font-size: 15px; font-weight: 600 } .code { font-family: ui-monospace, 'SF Mono', Menlo, Consolas, monospace; font-size: 13px }
  .card { fill: #fff; stroke: #d1d9e0 } .line { fill: none; stroke-width: 1.6 } .dashed { stroke-dasharray: 5 4 }
  ${Object.entries(roles).map(([role, [line, ground]]) => colours(role, line, ground)).join('\n  ')}
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9da7b3 } .card { fill: #0d1117; stroke: #30363d }
    ${Object.entries(roles).map(([role, [, , line, ground]]) => colours(role, line, ground)).join('\n    ')}
  }`

function colours(role, line, ground) {
  return `.${role}.box { fill: ${ground}; stroke: ${line} } .${role}.line { stroke: ${line} } .${role}.solid, text.${role} { fill: ${line} }`
}

/** All pictures by name: how high each is, and what is in it. */
export const pictures = {
  'one-memory': [474, oneMemory],
  'lost-update': [330, lostUpdate],
  'owner-died': [300, ownerDied],
  ring: [360, ring],
  pointers: [330, pointers],
  removal: [300, removal],
  'false-sharing': [270, falseSharing],
}

export function draw(name) {
  const [height, parts] = pictures[name]
  const body = parts().flat(Infinity).join('\n')
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<style>${style}
</style>
<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10"/>
${body}
</svg>
`
}

function oneMemory() {
  const page = (x, y, role, label) => box(x, y, 118, 26, role, label, 'code')
  const column = (x, top, cells) => cells.map(([role, label], index) => page(x, top + index * 30, role, label))
  return [
    text(24, 34, 'process.send: the bytes travel', 'title'),
    box(40, 52, 150, 70, 'a', ['process A', '{ table: 7 }']),
    box(305, 52, 150, 70, 'plain', ['kernel', '"{\\"table\\":7}"']),
    box(570, 52, 150, 70, 'b', ['process B', '{ table: 7 }']),
    arrow(194, 87, 301, 87, 'plain'), text(248, 78, 'text, copy', 'small', 'middle'),
    arrow(459, 87, 566, 87, 'plain'), text(512, 78, 'copy, object', 'small', 'middle'),
    rule(24, 148, 736, 148),
    text(24, 180, 'shared memory: the same page of RAM, twice', 'title'),
    text(99, 210, 'pages of A', 'a', 'middle'), text(380, 210, 'RAM', 'title', 'middle'), text(661, 210, 'pages of B', 'b', 'middle'),
    column(40, 222, [['a', 'code'], ['a', 'heap'], ['shared', '/board'], ['a', 'stack']]),
    column(321, 222, [['a', ''], ['b', ''], ['a', ''], ['shared', '42'], ['b', ''], ['a', ''], ['b', '']]),
    column(602, 222, [['b', 'code'], ['shared', '/board'], ['b', 'heap'], ['b', 'stack']]),
    curve(160, 235, 319, 235, 'a thin'), curve(160, 265, 319, 295, 'a thin'), curve(160, 325, 319, 385, 'a thin'),
    curve(600, 235, 441, 265, 'b thin'), curve(600, 295, 441, 355, 'b thin'), curve(600, 325, 441, 415, 'b thin'),
    curve(160, 295, 319, 325, 'shared'), curve(600, 265, 441, 325, 'shared'),
    text(380, 456, 'what A writes on the page is what B reads there: nothing is sent', 'small', 'middle'),
  ]
}

function lostUpdate() {
  const [a, board, b] = [130, 380, 630]
  const step = (y, from, to, role, label) => [arrow(from + Math.sign(to - from) * 34, y, to - Math.sign(to - from) * 34, y, role), text((from + to) / 2, y - 7, label, 'small', 'middle')]
  const value = (y, number, role = 'shared') => box(board - 26, y - 16, 52, 32, role, number, 'code')
  return [
    text(a, 36, 'cook A', 'title', 'middle'), text(board, 36, 'the board', 'title', 'middle'), text(b, 36, 'cook B', 'title', 'middle'),
    [a, board, b].map((x) => rule(x, 48, x, 286)),
    value(72, '41'),
    step(104, board, a, 'a', 'reads 41'), box(a - 46, 127, 92, 30, 'a', '41 + 1', 'code'),
    step(130, board, b, 'b', 'reads 41, too'), box(b - 46, 153, 92, 30, 'b', '41 + 1', 'code'),
    step(190, a, board, 'a', 'writes 42'), value(190, '42'),
    step(238, b, board, 'b', 'writes 42'), value(238, '42', 'bad'),
    text(380, 310, 'two dishes were made, one was counted', 'bad', 'middle'),
  ]
}

function ownerDied() {
  const lane = (y, label) => [text(24, y + 5, label, 'title'), rule(120, y, 736, y)]
  return [
    lane(60, 'cook'), lane(116, 'kernel'), lane(172, 'pencil'), lane(228, 'waiter'),
    bar(130, 300, 60, 'a', 'writes half a line'), cross(306, 60), text(324, 48, 'kill -9', 'bad'),
    bar(302, 374, 116, 'plain', 'knows'), arrow(308, 74, 326, 97, 'bad'), arrow(350, 134, 358, 153, 'plain'), arrow(372, 134, 398, 209, 'plain'),
    bar(130, 306, 172, 'a', 'held by the cook'), bar(306, 394, 172, 'bad', 'owner dead'), bar(394, 664, 172, 'b', 'held by the waiter'), bar(664, 736, 172, 'plain', 'free'),
    bar(200, 394, 228, 'plain', 'sleeps in lock()'),
    bar(394, 494, 228, 'bad', "'ownerDied'", 'code'), bar(494, 566, 228, 'b', 'repairs'), bar(566, 664, 228, 'shared', 'consistent'), bar(664, 736, 228, 'b', 'goes on'),
    text(380, 280, 'nobody waits for a timer, and nobody is told that a half line is a whole one', 'small', 'middle'),
  ]
}

function ring() {
  const centre = [240, 176]
  const slots = [['shared', '7'], ['shared', '8'], ['b', '9'], ['plain', ''], ['plain', ''], ['a', '4'], ['bad', '5'], ['a', '6']]
  const pieces = slots.map(([role, label], index) => {
    const [from, to] = [index, index + 1].map((turn) => (turn / 8) * 2 * Math.PI - Math.PI / 2 + (turn === index ? 0.025 : -0.025))
    const middle = (from + to) / 2
    const path = `M${at(centre, 70, from)} L${at(centre, 132, from)} A132 132 0 0 1 ${at(centre, 132, to)} L${at(centre, 70, to)} A70 70 0 0 0 ${at(centre, 70, from)} Z`
    const [x, y] = at(centre, 101, middle)
    return [`<path class="${role} box" d="${path}"/>`, text(x, y + 5, label, 'title', 'middle')]
  })
  const legend = [
    ['b', '9: being written by the producer'],
    ['shared', '7, 8: ready'],
    ['a', '4, 6: in the hands of two cooks'],
    ['bad', '5: in the hand of a dead one'],
    ['plain', 'free'],
  ]
  const [tail, head] = [2.5, 5.5].map((turn) => (turn / 8) * 2 * Math.PI - Math.PI / 2)
  return [
    pieces,
    curvedArrow(centre, 52, -0.3, 1.9),
    text(240, 181, 'onward', 'small', 'middle'),
    arrow(...at(centre, 172, tail), ...at(centre, 138, tail), 'b'), text(at(centre, 178, tail)[0], at(centre, 178, tail)[1] + 18, 'producer', 'b', 'middle'),
    arrow(...at(centre, 138, head), ...at(centre, 172, head), 'a'), text(at(centre, 178, head)[0] - 12, at(centre, 178, head)[1] + 18, 'consumers', 'a', 'middle'),
    legend.map(([role, label], index) => [box(462, 62 + index * 34, 22, 22, role, ''), text(496, 78 + index * 34, label, 'small')]),
    text(462, 264, 'Whoever takes a slot leaves a mark in it. The', 'small'), text(462, 282, 'mark in 5 says whose it is, the kernel that this', 'small'),
    text(462, 300, 'one is dead: the next who comes by frees the', 'small'), text(462, 318, 'slot. 5 is counted as lost; all others go on.', 'small'),
  ]
}

function pointers() {
  const space = (x, top, role, name, address) => [
    text(x + 75, 34, name, 'title', 'middle'), box(x, 48, 150, 236, 'plain', ''),
    box(x, top, 150, 110, 'shared', ''), text(x + 75, top + 22, 'the segment', 'small', 'middle'), text(role === 'a' ? x - 8 : x + 158, top + 5, address, 'code', role === 'a' ? 'end' : 'start'),
    rule(x, top, x + 150, top), box(x + 20, top + 66, 110, 26, role, 'Grace', 'code'),
  ]
  return [
    space(150, 80, 'a', 'process A', '0x7f10…000'),
    space(460, 172, 'b', 'process B', '0x7fa4…000'),
    curve(282, 152, 458, 120, 'bad'), arrow(449, 120, 459, 120, 'bad'),
    text(380, 92, 'address', 'bad', 'middle'), text(380, 110, '0x7f10…400', 'bad code', 'middle'),
    text(535, 124, 'something else', 'small', 'middle'),
    text(380, 202, 'offset', 'shared', 'middle'), text(380, 220, '+ 1024', 'shared code', 'middle'),
    curve(350, 210, 294, 168, 'shared'), arrow(296, 168, 282, 163, 'shared'), curve(410, 215, 468, 251, 'shared'), arrow(466, 251, 479, 251, 'shared'),
    text(380, 312, 'an address counts from the beginning of one process, an offset from the beginning of the segment', 'small', 'middle'),
  ]
}

function removal() {
  const scene = (x, title, role, { name, users, object, note }) => [
    text(x + 105, 36, title, 'title', 'middle'),
    box(x + 10, 56, 90, 30, name ? 'plain' : 'gone', name ? '/dev/shm' : 'no name', 'small'),
    box(x + 110, 56, 44, 30, users ? 'a' : 'gone', users ? 'A' : ''), box(x + 158, 56, 44, 30, users ? 'b' : 'gone', users ? 'B' : ''),
    name ? arrow(x + 55, 90, x + 85, 156, 'plain') : [], users ? [arrow(x + 132, 90, x + 110, 156, 'a'), arrow(x + 180, 90, x + 128, 156, 'b')] : [],
    box(x + 45, 160, 120, 46, role, object), text(x + 105, 230, note, role === 'bad' ? 'bad' : 'small', 'middle'),
  ]
  return [
    scene(22, 'in use', 'shared', { name: true, users: true, object: '1 MiB of RAM', note: 'held by three' }),
    scene(275, 'only ended', 'bad', { name: true, users: false, object: '1 MiB of RAM', note: 'the name holds it, for ever' }),
    scene(528, 'removed, then ended', 'gone', { name: false, users: false, object: 'free again', note: 'nothing holds it' }),
    arrow(236, 183, 310, 183, 'plain'), 
    `<path class="plain line" d="M127 242 C 127 288, 633 288, 633 246"/>`, arrow(633, 252, 633, 241, 'plain'),
    text(380, 264, 'remove() while it is in use takes only the name', 'small', 'middle'),
  ]
}

function falseSharing() {
  const side = (x, title) => [text(x + 160, 36, title, 'title', 'middle'), box(x, 54, 130, 44, 'a', 'processor 1'), box(x + 190, 54, 130, 44, 'b', 'processor 2')]
  const line = (x, y, width, label) => [box(x, y, width, 34, 'plain', ''), text(x + width - 8, y + 22, label, 'small', 'end')]
  return [
    side(30, 'side by side'),
    line(30, 176, 320, '64 bytes, one line'), box(30, 176, 62, 34, 'a', 'first'), box(92, 176, 70, 34, 'b', 'second'),
    arrow(66, 102, 60, 172, 'bad'), arrow(250, 102, 132, 172, 'bad'), text(214, 150, 'mine! mine!', 'bad'),
    text(190, 240, 'each step waits for the line', 'bad', 'middle'),
    rule(380, 30, 380, 248),
    side(410, 'with cacheLine()'),
    line(410, 176, 150, 'one line'), box(410, 176, 62, 34, 'a', 'first'), line(580, 176, 150, 'another'), box(580, 176, 70, 34, 'b', 'second'),
    arrow(452, 102, 442, 172, 'a'), arrow(655, 102, 620, 172, 'b'),
    text(570, 240, 'each has its line, and nobody waits', 'shared', 'middle'),
  ]
}

function box(x, y, width, height, role, label, how = '') {
  const shape = role === 'gone' ? 'plain line dashed' : `${role} box`
  const lines = [label].flat()
  const first = y + height / 2 + 5 - ((lines.length - 1) * 20) / 2
  return [
    `<rect class="${shape}" x="${x}" y="${y}" width="${width}" height="${height}" rx="5"/>`,
    lines.map((line, index) => (line === '' ? '' : text(x + width / 2, first + index * 20, line, index > 0 ? 'code' : how, 'middle'))),
  ]
}

function text(x, y, words, how = '', anchor = 'start') {
  const safe = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('\\"', '"')
  return `<text x="${round(x)}" y="${round(y)}" class="${how}" text-anchor="${anchor}">${safe}</text>`
}

function arrow(x1, y1, x2, y2, role) {
  const angle = Math.atan2(y2 - y1, x2 - x1)
  const [left, right] = [2.7, -2.7].map((turn) => at([x2, y2], 9, angle + turn))
  const [x, y] = at([x2, y2], 6, angle + Math.PI)
  return [`<path class="${role} line" d="M${round(x1)} ${round(y1)} L${x} ${y}"/>`, `<path class="${role} solid" d="M${round(x2)} ${round(y2)} L${left} L${right} Z"/>`]
}

/** From side to side, leaving and arriving level. */
function curve(x1, y1, x2, y2, role) {
  const middle = (x1 + x2) / 2
  return `<path class="${role.replace('thin', 'dashed')} line" d="M${x1} ${y1} C ${middle} ${y1}, ${middle} ${y2}, ${x2} ${y2}"/>`
}

/** Clockwise around a centre, ending in an arrow. */
function curvedArrow(centre, radius, from, to) {
  const end = at(centre, radius, to)
  const before = at(centre, radius, to - 0.16)
  return [`<path class="plain line" d="M${at(centre, radius, from)} A${radius} ${radius} 0 0 1 ${before}"/>`, arrow(...before, ...end, 'plain')]
}

/** A time from x to end, in the lane at y. */
function bar(x, end, y, role, label, how) {
  return box(x, y - 16, end - x, 32, role, label, how)
}

function cross(x, y) {
  return `<path class="bad line" stroke-width="3" d="M${x - 9} ${y - 9} L${x + 9} ${y + 9} M${x + 9} ${y - 9} L${x - 9} ${y + 9}"/>`
}

function rule(x1, y1, x2, y2) {
  return `<path class="plain line dashed" opacity="0.6" d="M${x1} ${y1} L${x2} ${y2}"/>`
}

function at([x, y], distance, angle) {
  return [round(x + distance * Math.cos(angle)), round(y + distance * Math.sin(angle))]
}

function round(number) {
  return Math.round(number * 10) / 10
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const name of Object.keys(pictures)) writeFileSync(join(root, 'docs/pictures', `${name}.svg`), draw(name))
}
