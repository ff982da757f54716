/**
 * `node scripts/publish.mjs`: sends what `npm run stage` laid out to the registry: the packages of the images first, then `shmem`, which depends on
 * them. What is out already is passed over, so that a run that stopped halfway is started again. `--dry-run` packs and checks all of it, and sends
 * nothing; `--provenance` is npm's; `--from <folder>` takes them from elsewhere. For the workflow `release`, and for scripts/test-install.mjs, which tries
 * it on a registry of its own.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Stop, capture, main, root } from './process.mjs'

const usage = 'Usage: node scripts/publish.mjs [--dry-run] [--provenance] [--from <folder>]'

await main((args) => {
  const at = args.indexOf('--from')
  const packages = at === -1 ? join(root, 'target/packages') : resolve(args.splice(at, 2)[1] ?? '')
  if (args.some((arg) => arg !== '--dry-run' && arg !== '--provenance')) throw new Stop(usage)
  for (const name of inOrder(packages)) publish(join(packages, name), args)
})

/** Who depends on the others comes last. */
function inOrder(packages) {
  let names
  try {
    names = readdirSync(packages)
  } catch {
    names = []
  }
  if (!names.includes('shmem')) throw new Stop(`There is no package shmem in ${packages}: npm run stage`)
  return [...names.filter((name) => name !== 'shmem').toSorted(), 'shmem']
}

function publish(folder, flags) {
  const { name, version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  // Fails where the package is not there at all, and says nothing where this version is not.
  if (capture('npm', ['view', `${name}@${version}`, 'version', '--loglevel=silent']).stdout.trim() === version) return console.log(`${name} ${version} is out already`)
  const tag = version.includes('-') ? 'next' : 'latest'
  const { ok, output } = capture('npm', ['publish', folder, '--ignore-scripts', '--access', 'public', '--tag', tag, '--loglevel=error', ...flags])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nPublishing ${name} ${version} failed.`)
  console.log(`${name} ${version}, tag ${tag}${flags.includes('--dry-run') ? ': not sent' : ''}`)
}
