/** `npm run bench:plot`: every report and picture anew, from the results that are saved. Measures nothing. */
import { savedFolders } from './saved.js'
import { drawDocuments, writeReport } from './write.js'

for (const { path } of savedFolders()) process.stdout.write(`${await writeReport(path)}\n`)
for (const path of await drawDocuments()) process.stdout.write(`${path}\n`)
