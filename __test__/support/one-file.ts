/**
 * A program of `children/` as one file, with all that it imports: for those that are started again and again, as processes or as workers, and would spend
 * most of their time on the look for a hundred modules.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

/** The repository; compiled files lie in `dist/__test__/support`. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
const made = new Map<string, string>()

/** The path of that file, which is there until this process ends. */
export function oneFile(program: string): string {
  const known = made.get(program)
  if (known !== undefined) return known
  // As deep as `dist/lib`: the image is looked for from there.
  const outfile = join(root, 'target/one-file', `${program}-${process.pid}.js`)
  const entry = fileURLToPath(new URL(`../children/${program}.js`, import.meta.url))
  buildSync({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'error' })
  process.once('exit', () => rmSync(outfile, { force: true }))
  made.set(program, outfile)
  return outfile
}
