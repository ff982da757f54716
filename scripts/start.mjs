/**
 * `npm start`: from a fresh clone to a block handed from one process to another, with its time.
 * Arguments after `--` go to examples/hand-over.
 */
import { join } from 'node:path'
import { bootstrap } from './bootstrap.mjs'
import { foreground, main, root } from './process.mjs'

await main(async (args) => {
  await bootstrap()
  return foreground(process.execPath, [join(root, 'dist/examples/hand-over.js'), ...args])
})
