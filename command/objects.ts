/**
 * The objects of this machine under the names by which their own calls know them: a named semaphore is `/gate`, though its file is `/dev/shm/sem.gate`.
 */
import { clean, list, orphans, remove, type Cleaned, type ObjectListOptions, type ObjectFacts, type Orphan } from 'shmem'

const SEMAPHORE_FILES = '/dev/shm/sem.'

export function listed(options: ObjectListOptions): ObjectFacts[] {
  return list(options).map(named)
}

export function listedOrphans(foreign: boolean): Orphan[] {
  return orphans({ foreign }).map(named)
}

/** Removes it, whoever uses it. */
export function removeListed(facts: ObjectFacts): void {
  remove(AS_TOLD.get(facts) ?? facts)
}

/** Removes it if nobody uses it. */
export function cleanListed(orphan: Orphan): Cleaned {
  return clean(AS_TOLD.get(orphan) ?? orphan)
}

/** What was renamed here, as the library told it. */
const AS_TOLD = new WeakMap<ObjectFacts, ObjectFacts>()

function named<Facts extends ObjectFacts>(facts: Facts): Facts {
  if (facts.kind !== 'posix-semaphore' || facts.path?.startsWith(SEMAPHORE_FILES) !== true) return facts
  const renamed = { ...facts, name: `/${facts.path.slice(SEMAPHORE_FILES.length)}` }
  AS_TOLD.set(renamed, facts)
  return renamed
}
