/**
 * `shmem members`: who is a member of a managed segment, and what each holds.
 */
import { EXIT } from './exit.js'
import { inManaged, memberLines } from './managed.js'
import { printAll, printJson } from './output.js'

export function members(name: string, { json }: { json?: boolean }): number {
  const { members: all } = inManaged(name)
  if (json) printJson({ name, members: all })
  else printAll(memberLines(all))
  return EXIT.ok
}
