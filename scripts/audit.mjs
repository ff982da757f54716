/**
 * `npm run audit`: what others wrote, of which we are made. Crates: licences, doubles and sources, by deny.toml; npm packages: known
 * vulnerabilities. Of the crates' advisories only cargo-deny knows, which the workflow runs. What cannot be asked here is said; it fails only with
 * `-- --require-all`, as in the workflow.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stop, capture, main, root } from './process.mjs'

let requireAll = false

await main((args) => {
  if (args.some((arg) => arg !== '--require-all')) throw new Stop('Usage: npm run audit -- [--require-all]')
  requireAll = args.length > 0
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
  const allowed = new Set([.../^allow = \[([^\]]*)\]/m.exec(config)[1].matchAll(/"([^"]+)"/g)].map(([, licence]) => licence))
  const doubles = packages.filter(({ name, id }) => packages.some((other) => other.name === name && other.id !== id))
  const problems = [
    ...packages.filter(({ license }) => !permits(license, allowed)).map(({ name, license }) => `${name}: the licence ${license} is not allowed in deny.toml`),
    ...doubles.map(({ name, version }) => `${name} ${version} is not the only version of it`),
    ...packages.filter(({ source }) => source && !source.startsWith('registry+')).map(({ name, source }) => `${name} comes from ${source}`),
  ]
  if (problems.length > 0) return problems
  say(`crates: ${packages.length} with allowed licences, no doubles`)
  return unasked('advisories of crates: not looked at, since there is no cargo-deny')
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
  const { stdout, output } = capture('npm', ['audit', '--json', '--loglevel=error'])
  const { vulnerabilities, metadata, error, message } = stdout.startsWith('{') ? JSON.parse(stdout) : {}
  if (metadata === undefined) return unasked(`npm packages: not looked at, since npm audit has no answer (${error?.summary || message || output.trim() || 'no reason'})`)
  const found = Object.values(vulnerabilities).map(({ name, severity, range }) => `${name} ${range}: a vulnerability (${severity}); see npm audit`)
  return found.length > 0 ? found : say(`npm packages: ${metadata.dependencies.total} without a known vulnerability`)
}

/** What nobody here can tell. */
function unasked(words) {
  return requireAll ? [words] : say(words)
}

function say(words) {
  console.log(words)
  return []
}
