/**
 * `npm run audit`: what others wrote, of which we are made. Crates: licences, doubles and sources, by deny.toml; npm packages: known
 * vulnerabilities. Of the crates' advisories only cargo-deny knows, which the workflow runs. What cannot be asked here is said, and
 * does not fail.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop, capture, main, root } from './process.mjs'

await main(() => {
  const problems = [...crates(), ...npmPackages()]
  for (const problem of problems) console.log(problem)
  return problems.length > 0 ? 1 : 0
})

/** cargo-deny where it is installed; else what of it can be told from the lock file and the manifests. */
function crates() {
  const denied = capture('cargo', ['deny', '--version'])
  if (denied.ok) {
    const { ok, output } = capture('cargo', ['deny', 'check'])
    return ok ? say('crates: cargo deny found nothing') : [output.trimEnd()]
  }
  const { ok, stdout, output } = capture('cargo', ['metadata', '--format-version', '1', '--locked'])
  if (!ok) throw new Stop(`\n${output.trimEnd()}\n\ncargo metadata failed.`)
  const { packages } = JSON.parse(stdout)
  const config = readFileSync(join(root, 'deny.toml'), 'utf8')
  const allowed = new Set([.../^allow = \[(.*)\]$/m.exec(config)[1].matchAll(/"([^"]+)"/g)].map(([, licence]) => licence))
  const doubles = packages.filter(({ name, id }) => packages.some((other) => other.name === name && other.id !== id))
  const problems = [
    ...packages.filter(({ license }) => !permits(license, allowed)).map(({ name, license }) => `${name}: the licence ${license} is not allowed in deny.toml`),
    ...doubles.map(({ name, version }) => `${name} ${version} is not the only version of it`),
    ...packages.filter(({ source }) => source && !source.startsWith('registry+')).map(({ name, source }) => `${name} comes from ${source}`),
  ]
  return problems.length > 0 ? problems : say(`crates: ${packages.length} with allowed licences, no doubles (advisories not looked at: there is no cargo-deny)`)
}

/** Whether an SPDX expression can be met with those licences. */
function permits(expression, allowed) {
  const words = (expression ?? '').replaceAll('/', ' OR ').match(/[()]|[\w.+-]+/g) ?? []
  const either = () => {
    let met = both()
    while (words[0] === 'OR') {
      words.shift()
      met = both() || met
    }
    return met
  }
  const both = () => {
    let met = one()
    while (words[0] === 'AND') {
      words.shift()
      met = one() && met
    }
    return met
  }
  const one = () => {
    const word = words.shift()
    if (word !== '(') return allowed.has(word)
    const met = either()
    words.shift()
    return met
  }
  return either() && words.length === 0
}

function npmPackages() {
  const { stdout } = capture('npm', ['audit', '--json', '--loglevel=error'])
  const { vulnerabilities, metadata, error, message } = JSON.parse(stdout || '{}')
  if (metadata === undefined) return say(`npm packages: not looked at, since the registry does not answer (${error?.summary || message || 'no reason'})`)
  const found = Object.values(vulnerabilities).map(({ name, severity, range }) => `${name} ${range}: a vulnerability (${severity}); see npm audit`)
  return found.length > 0 ? found : say(`npm packages: ${metadata.dependencies.total} without a known vulnerability`)
}

function say(words) {
  console.log(words)
  return []
}
