/**
 * Fetches what a script needs and a machine may lack, by the ordinary clients and by name: Debian's packages, npm's and PyPI's. Those of
 * Debian are installed if we are root; the others go to folders that git ignores.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop, capture } from './process.mjs'

/** Debian's packages, each with a file or program that shows that it is there. One sentence where that cannot be helped. */
export function debian(packages, what) {
  const missing = missingOf(packages)
  if (missing.length === 0) return
  const command = `apt-get install ${missing.join(' ')}`
  if (process.getuid() !== 0) throw new Stop(`\n${what} needs ${missing.join(', ')}: ${command}`)
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...missing]]) {
    const { ok, output } = capture('apt-get', args, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
    if (!ok) throw new Stop(`\n${output.trimEnd()}\n\n${what} needs ${missing.join(', ')}, and ${command} failed.`)
  }
  const still = missingOf(packages)
  if (still.length > 0) throw new Stop(`\n${what} needs ${still.join(', ')}, and ${command} did not bring it.`)
}

function missingOf(packages) {
  return Object.entries(packages)
    .filter(([, sign]) => sign.startsWith('/') ? !existsSync(sign) : !capture('python3', ['-m', sign, '--version']).ok)
    .map(([name]) => name)
}

/** PyPI's packages, each with its version, into a folder of their own; `platform` for another machine than this. */
export function pip(folder, packages, platform) {
  return once(folder, packages, () => {
    const other = platform === undefined ? [] : ['--platform', platform]
    const flags = ['--quiet', '--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--root-user-action=ignore', '--upgrade']
    return capture('python3', ['-m', 'pip', 'install', ...flags, ...other, '--target', folder, ...packages])
  })
}

/** npm's packages into a folder of their own, also those for another machine than this. */
export function npm(folder, packages) {
  return once(folder, packages, () => {
    const flags = ['--force', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--loglevel=error']
    return capture('npm', ['install', '--prefix', folder, ...flags, ...packages])
  })
}

/** Once: the last line of the work is a stamp. */
function once(folder, packages, install) {
  const stamp = join(folder, `.${packages.join('+').replaceAll('/', '_')}`)
  if (existsSync(stamp)) return 'up to date'
  mkdirSync(folder, { recursive: true })
  const { ok, output } = install()
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\nInstalling ${packages.join(' ')} failed.`)
  writeFileSync(stamp, '')
  return undefined
}
