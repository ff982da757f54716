/**
 * A second copy of this package, as a second folder of node_modules would hold it: with an image, and so handlers, threads and thread-local
 * state, of its own.
 */
import { copyFileSync, cpSync, linkSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/**
 * Makes it, under another version. Answers the address of its entrance, and the folder to remove. With the folder of another copy it has that one's image by
 * a hard link, as some package managers keep one file for all.
 */
export function copyOfPackage(linked?: string): { entrance: string; temporary: string } {
  const temporary = mkdtempSync(join(tmpdir(), 'shmem-test-copy-'))
  const folder = join(temporary, 'node_modules/shmem')
  mkdirSync(join(folder, 'dist'), { recursive: true })
  mkdirSync(join(folder, 'native'))
  copyFileSync(join(root, 'dist/index.js'), join(folder, 'dist/index.js'))
  cpSync(join(root, 'dist/lib'), join(folder, 'dist/lib'), { recursive: true })
  for (const file of readdirSync(join(root, 'native'))) {
    if (!file.endsWith('.node')) continue
    if (linked === undefined) copyFileSync(join(root, 'native', file), join(folder, 'native', file))
    else linkSync(join(linked, 'node_modules/shmem/native', file), join(folder, 'native', file))
  }
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, version: '0.0.9' }))
  // Only what it calls itself: facade and image must be of one version, and there is no other image.
  const copies = join(folder, 'dist/lib/copies.js')
  writeFileSync(copies, readFileSync(copies, 'utf8').replace("import { version } from './version.js'", "const version = '0.0.9'"))
  return { entrance: pathToFileURL(join(folder, 'dist/index.js')).href, temporary }
}
