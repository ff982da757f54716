/**
 * `shmem members`: who is a member of a managed segment, and what each holds.
 */
import { EXIT } from './exit.js'
import { inManaged, memberLines } from './managed.js'
import { print, printJson } from './output.js'

export function members(name: string, { json }: { json?: boolean }): number {
  const { members: all } = inManaged(name)
  if (json) printJson({ name, members: all })
  else print(...memberLines(all))
  return EXIT.ok
}
