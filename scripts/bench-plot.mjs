/**
 * `npm run bench:plot`: the reports under benchmark/results/ and the pictures and tables of the documents, written anew from the results that are saved.
 * Measures nothing.
 */
import { bootstrap } from './bootstrap.mjs'
import { main } from './process.mjs'

await main(async () => {
  await bootstrap()
  await import('../dist/benchmark/report/draw.js')
})
