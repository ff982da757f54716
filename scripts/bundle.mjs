/**
 * Bundles the command (command/main.ts) with what it needs of other packages into bin/shmem.js, so that the package has no dependencies. The library itself
 * stays outside: the command imports it from the package that both are in.
 */
import { createRequire } from 'node:module'
import { appendFileSync, chmodSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { main, root } from './process.mjs'

const bundled = join(root, 'bin/shmem.js')

export async function bundle() {
  // Not on top: what imports this may run before the packages are there.
  const { build } = createRequire(import.meta.url)('esbuild')
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'command/main.ts')],
    outfile: bundled,
    bundle: true,
    metafile: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['shmem'],
    // Bundled CommonJS asks for Node's own modules by require.
    banner: { js: "import { createRequire as createRequireForBundle } from 'node:module'\nconst require = createRequireForBundle(import.meta.url)" },
    logLevel: 'error',
  })
  appendFileSync(bundled, licenses(Object.keys(metafile.inputs)))
  chmodSync(bundled, 0o755)
}

/** What the authors of the bundled packages ask to go with every copy. */
function licenses(inputs) {
  const folders = new Set(inputs.flatMap((input) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []))
  return [...folders].toSorted().map((folder) => {
    const { name, version } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[sc]e/i.test(entry))
    const text = file === undefined ? 'no text of a license' : readFileSync(join(root, folder, file), 'utf8')
    return `\n/*\nBundled: ${name} ${version}\n\n${text.trim().replaceAll('*/', '* /')}\n*/\n`
  }).join('')
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(bundle)
