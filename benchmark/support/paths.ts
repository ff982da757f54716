/** Where the sources of the benchmarks lie; the compiled programs run from `dist/benchmark`. */
import { fileURLToPath } from 'node:url'

export const benchmarkFolder = fileURLToPath(new URL('../../../benchmark/', import.meta.url))
export const probesFolder = `${benchmarkFolder}probes/`
export const resultsFolder = `${benchmarkFolder}results/`
