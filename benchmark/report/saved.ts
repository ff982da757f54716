/** The saved results: `results/<machine>/<date>/<question>.json`, and which of them are the newest. */
import { readdirSync, readFileSync } from 'node:fs'
import { resultsFolder } from '../support/paths.js'
import type { NamedOutcome, Outcome } from './outcome.js'

const ending = '.json'
/** The summary of a folder is no question. */
export const summaryFile = 'run.json'

const unsaved = 'unsaved'
/** The results of the last run that was not saved; as deep as those that are, so that links from its report lead as far. */
export const unsavedFolder = `${resultsFolder}${unsaved}/last`

/** All questions of a folder, by name. */
export function outcomesIn(folder: string): NamedOutcome[] {
  const files = readdirSync(folder).filter((file) => file.endsWith(ending) && file !== summaryFile)
  return files.toSorted().map((file) => {
    const outcome = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as Outcome
    return { ...outcome, name: file.slice(0, -ending.length) }
  })
}

/** Every folder with results, the oldest first; machines apart. */
export function savedFolders(): { machine: string; date: string; path: string }[] {
  const machines = foldersIn(resultsFolder).filter((name) => name !== unsaved)
  return machines.flatMap((machine) => foldersIn(`${resultsFolder}${machine}`).map((date) => ({ machine, date, path: `${resultsFolder}${machine}/${date}` })))
}

/** The newest outcome of each question on one machine: that with most questions, so that a few from another do not take its place; or the latest of equals. */
export function newestOutcomes(): NamedOutcome[] {
  const machines = new Map<string, Map<string, NamedOutcome>>()
  for (const { machine, path } of savedFolders().toSorted((a, b) => a.date.localeCompare(b.date))) {
    const newest = machines.get(machine) ?? new Map<string, NamedOutcome>()
    // At the end, where the latest is.
    machines.delete(machine)
    machines.set(machine, newest)
    for (const outcome of outcomesIn(path)) newest.set(outcome.name, outcome)
  }
  const fullest = [...machines.values()].toSorted((a, b) => a.size - b.size).at(-1) ?? []
  return [...fullest.values()].toSorted((a, b) => a.name.localeCompare(b.name))
}

function foldersIn(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .toSorted()
}
