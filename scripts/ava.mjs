/**
 * Runs the compiled ava suite on a given Node.js and counts it: for `npm test` on the running one, for
 * `npm run test:runtimes` on each.
 */
import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { root, stream } from './process.mjs'
import { AvaTally, sum } from './tally.mjs'

/** The count of all test files, or of those whose name contains `word`; options as those of `stream`. */
export async function testPackage(node, word, options = {}) {
  const files = word === undefined ? [] : testFiles(word)
  if (word !== undefined && files.length === 0) return sum([])
  if (word === undefined || word.includes('kill')) await buildMember()
  const tally = new AvaTally()
  const env = {
    ...process.env,
    PATH: pathWith(node),
    // On TERM=linux ava writes other marks than those we count.
    TERM: 'dumb',
  }
  const ava = join(root, 'node_modules/ava/entrypoints/cli.mjs')
  return tally.close(await stream(node, [ava, ...files], { ...options, env, onLine: (line) => tally.line(line) }))
}

/** Tests would build it themselves; but who builds for minutes says nothing meanwhile, and ava ends who is silent for two. */
async function buildMember() {
  const { memberProgram } = await import('../dist/__test__/support/kill-member.js')
  try {
    memberProgram()
  } catch {
    // The tests that need it try again, and tell.
  }
}

/**
 * The PATH on which programs that tests start by the name `node` run on the same one. Where they do so anyway it stays as it is: beside node may lie
 * other programs, such as another cargo, which would build everything anew.
 */
function pathWith(node) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const first = folders.map((folder) => join(folder, 'node')).find((path) => existsSync(path))
  const isSame = first !== undefined && realpathSync(first) === realpathSync(node)
  return (isSame ? folders : [dirname(node), ...folders]).join(delimiter)
}

function testFiles(word) {
  return readdirSync(join(root, 'dist/__test__'))
    .filter((file) => file.endsWith('.test.js') && file.includes(word))
    .map((file) => `dist/__test__/${file}`)
}
