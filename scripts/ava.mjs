/**
 * Runs the compiled ava suite on a given Node.js and counts it: for `npm test` on the running one, for
 * `npm run test:runtimes` on each.
 */
import { readdirSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { root, stream } from './process.mjs'
import { AvaTally, sum } from './tally.mjs'

/** The count of all test files, or of those whose name contains `word`; options as those of `stream`. */
export async function testPackage(node, word, options = {}) {
  const files = word === undefined ? [] : testFiles(word)
  if (word !== undefined && files.length === 0) return sum([])
  const tally = new AvaTally()
  const env = {
    ...process.env,
    // Programs that tests start by the name `node` run on the same one.
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    // On TERM=linux ava writes other marks than those we count.
    TERM: 'dumb',
  }
  const ava = join(root, 'node_modules/ava/entrypoints/cli.mjs')
  return tally.close(await stream(node, [ava, ...files], { ...options, env, onLine: (line) => tally.line(line) }))
}

function testFiles(word) {
  return readdirSync(join(root, 'dist/__test__'))
    .filter((file) => file.endsWith('.test.js') && file.includes(word))
    .map((file) => `dist/__test__/${file}`)
}
