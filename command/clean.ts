/**
 * `shmem clean`: what nobody uses any more, why that is thought, and its removal.
 */
import { clean as cleanObject, orphans, type Cleaned, type Orphan } from 'shmem'
import { agrees, canAsk } from './ask.js'
import { EXIT } from './exit.js'
import { lines } from './ls.js'
import { print, printAll, printJson } from './output.js'
import { escaped, objectWords, plural } from './words.js'

export interface CleanOptions {
  foreign?: boolean
  yes?: boolean
  json?: boolean
}

type Outcome = Cleaned | 'kept' | 'failed'

/** An orphan, and what became of it. */
type Result = Orphan & { outcome: Outcome; why?: string }

const WORDS: Record<Outcome, string> = { removed: 'removed', gone: 'gone already:', inUse: 'somebody uses it after all:', kept: 'kept', failed: 'not removed:' }

/** Fails while orphans are left. */
export async function clean({ foreign, yes, json }: CleanOptions): Promise<number> {
  const all = orphans({ foreign: foreign === true })
  const removable = all.filter(orphan => orphan.removable)
  if (json !== true) {
    if (all.length === 0) print('nothing to clean')
    else printAll(lines(all, false, [[{ title: 'REASON', least: 16, wraps: true }, orphan => reason(orphan as Orphan)]]))
  }
  const isAgreed = yes === true || (json !== true && removable.length > 0 && canAsk() && (await agrees(`Remove ${plural(removable.length, 'object')}?`)))
  const results: Result[] = all.map(orphan => ({ ...orphan, ...(isAgreed && orphan.removable ? cleaned(orphan) : { outcome: 'kept' }) }))
  if (json) printJson({ orphans: results })
  else {
    for (const result of results.filter(({ outcome }) => outcome !== 'kept')) print(`${WORDS[result.outcome]} ${objectWords(result)}${result.why === undefined ? '' : `: ${escaped(result.why)}`}`)
    if (!isAgreed && removable.length > 0 && !canAsk()) print(`nothing removed: nobody can be asked here; say --yes to remove ${plural(removable.length, 'object')}`)
  }
  return results.every(({ outcome }) => outcome === 'removed' || outcome === 'gone' || outcome === 'inUse') ? EXIT.ok : EXIT.failed
}

function reason({ reason: why, whyNot }: Orphan): string {
  return escaped(whyNot === undefined ? why : `${why}; cannot be removed: ${whyNot}`)
}

function cleaned(orphan: Orphan): { outcome: Outcome; why?: string } {
  try {
    return { outcome: cleanObject(orphan) }
  } catch (error) {
    return { outcome: 'failed', why: (error as Error).message }
  }
}
