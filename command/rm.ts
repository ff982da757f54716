/**
 * `shmem rm`: removes objects, also those in use; who has one open goes on with it, and nobody else finds it.
 */
import { list, remove, type ObjectFacts, type ObjectKind } from 'shmem'
import { agrees, canAsk } from './ask.js'
import { EXIT, Usage, complain } from './exit.js'
import { matching, only } from './find.js'
import { lines } from './ls.js'
import { print, printAll, printJson } from './output.js'
import { objectWords, plural, unescapedWords } from './words.js'

export interface RmOptions {
  mine?: boolean
  kind?: ObjectKind
  yes?: boolean
  json?: boolean
}

type Outcome = 'removed' | 'kept' | 'failed'

export async function rm(names: string[], { mine, kind, yes, json }: RmOptions): Promise<number> {
  if ((names.length === 0) === (mine !== true)) throw new Usage('name what shall be removed, or say --mine for all of your own')
  const objects = list({ mine: mine === true, ...(kind === undefined ? {} : { kinds: [kind] }) })
  const { chosen, isComplete } = mine === true ? { chosen: objects.filter(({ kind: of }) => of !== 'memfd'), isComplete: true } : named(names, objects, json === true)
  if (chosen.length === 0) {
    if (json) printJson({ objects: [] })
    else if (isComplete) print('nothing to remove')
    return isComplete ? EXIT.ok : EXIT.failed
  }

  if (yes !== true && json !== true) printAll(lines(chosen, true))
  const isAgreed = yes === true || (json !== true && canAsk() && (await agrees(`Remove ${chosen.length === 1 ? 'it' : `these ${chosen.length} objects`}?`)))
  const results = chosen.map(object => ({ ...object, ...(isAgreed ? removed(object) : { outcome: 'kept' as Outcome }) }))
  if (json) printJson({ objects: results })
  else for (const { outcome, why, ...object } of results as (ObjectFacts & { outcome: Outcome; why?: string })[]) tell(object, outcome, why)
  if (!isAgreed && json !== true && !canAsk()) print(`nothing removed: nobody can be asked here; say --yes to remove ${plural(chosen.length, 'object')}`)
  return isComplete && results.every(({ outcome }) => outcome === 'removed') ? EXIT.ok : EXIT.failed
}

/** What the words mean; what is wrong with one does not keep the others. */
function named(names: string[], objects: ObjectFacts[], json: boolean): { chosen: ObjectFacts[]; isComplete: boolean } {
  const chosen = new Set<ObjectFacts>()
  let isComplete = true
  for (const name of names) {
    const meant = matching(name, objects)
    if (meant.length > 0) {
      chosen.add(only(name, meant))
      continue
    }
    isComplete = false
    complain(Object.assign(new Error(`no object is called ${name}`), { code: 'ENOENT' }), json)
  }
  return { chosen: [...chosen], isComplete }
}

function removed(object: ObjectFacts): { outcome: Outcome; why?: string } {
  try {
    remove(object)
    return { outcome: 'removed' }
  } catch (error) {
    return { outcome: 'failed', why: (error as Error).message }
  }
}

function tell(object: ObjectFacts, outcome: Outcome, why: string | undefined): void {
  if (outcome === 'removed') print(`removed ${objectWords(object)}`)
  if (outcome === 'failed') complain(new Error(`${unescapedWords(object)}: ${why}`), false)
}
