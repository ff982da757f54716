/**
 * Just enough Rust for the house rules to read code without being fooled by comments and strings.
 * Line numbers survive every function here.
 */

const token = new RegExp(
  [
    String.raw`\/\/[^\n]*`,
    String.raw`\/\*[\s\S]*?\*\/`,
    String.raw`\b[bc]?r(#*)"[\s\S]*?"\1`,
    String.raw`"(?:[^"\\]|\\[\s\S])*"`,
    // A character, not a lifetime: 'a' and '\n', but not 'a.
    String.raw`'(?:[^'\\\n]|\\[^\n]{1,10}?)'`,
  ].join('|'),
  'gu',
)

/** The text with comments and the insides of literals blanked; line breaks and lengths stay. */
export function codeOf(rust: string): string {
  return rust.replace(token, (found) => {
    const quote = found.startsWith('/') ? ' ' : '"'
    return quote + found.slice(1, -1).replace(/[^\n]/g, ' ') + quote
  })
}

/** The line number (from 1) of an index into a text. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** From the bracket at `open` to its partner, both included; to the end of the text if there is none. */
export function bracketed(code: string, open: number): string {
  const pairs: Record<string, string> = { '(': ')', '[': ']', '{': '}' }
  const opening = code[open] ?? ''
  let depth = 0
  for (let index = open; index < code.length; index += 1) {
    if (code[index] === opening) depth += 1
    if (code[index] === pairs[opening]) depth -= 1
    if (depth === 0) return code.slice(open, index + 1)
  }
  return code.slice(open)
}
