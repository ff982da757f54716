/** Aeron: a project in Java of its own below `benchmark/peers`, built by Maven when a benchmark first needs it. */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { benchmarkFolder } from './paths.js'
import { Probe } from './probe.js'

const folder = `${benchmarkFolder}peers/aeron/`
const sources = ['pom.xml', 'src/main/java/Pair.java']
/** What Aeron asks for of the Java of its time, and what its manual advises for speed. */
const flags = [
  '--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '-Dagrona.disable.bounds.checks=true',
  '-Xms64m',
  '-Xmx256m',
]
/** The first release for which Aeron is made. */
const oldestJava = 17

/** Two processes in Java, or the sentence that says why they are missing. */
export function aeronProbe(): Probe | string {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const release = Number(/version "(\d+)/u.exec(java.stderr ?? '')?.[1] ?? 0)
  if (release < oldestJava) return `Java ${oldestJava} or later is not installed here (apt-get install openjdk-17-jdk-headless maven).`
  if (!isBuilt()) {
    process.stdout.write('Building benchmark/peers/aeron (mvn)…\n')
    const mvn = spawnSync('mvn', ['-q', '-B', 'compile', 'dependency:copy-dependencies'], { cwd: folder, encoding: 'utf8' })
    if (mvn.error !== undefined) return 'Maven is not installed here (apt-get install maven).'
    if (mvn.status !== 0) return `benchmark/peers/aeron does not build here: ${mvn.stdout.split('\n').find((line) => line.includes('ERROR')) ?? ''}`
  }
  return new Probe('aeron', 'java', [...flags, '-cp', `${folder}target/classes:${folder}target/dependency/*`, 'Pair'])
}

function isBuilt(): boolean {
  const built = `${folder}target/classes/Pair.class`
  const dependencies = `${folder}target/dependency`
  if (!existsSync(built) || !existsSync(dependencies)) return false
  return sources.every((source) => statSync(folder + source).mtimeMs < statSync(built).mtimeMs)
}
