/**
 * Claims about errors: every fact of a ShmError at once, thrown here or sent by a child; and the refusal of bad arguments.
 */
import { constants } from 'node:os'
import type { ExecutionContext } from 'ava'
import { ShmError } from 'shmem'

type Test = ExecutionContext<unknown>

/** Node has no names for two of them. */
const numbers: Record<string, number> = { ...constants.errno, EOWNERDEAD: 130, ENOTRECOVERABLE: 131 }

/** What a ShmError must say; what is not listed must be absent, but for `hint`, which is only looked at when listed. */
export interface Facts {
  code: string
  /** A pattern where the class may refuse in one call or another. */
  syscall?: string | RegExp
  key?: number
  id?: number
  objectName?: string
  path?: string
  /** `null`: there is none. */
  hint?: RegExp | null
}

/** The call throws a ShmError with exactly these facts. */
export function failsWith(t: Test, call: () => unknown, facts: Facts): void {
  const error = t.throws(call, { instanceOf: ShmError }, `${facts.code} was expected`)
  if (error !== undefined) saysExactly(t, error as unknown as Record<string, unknown>, facts)
}

/** The child's answer is a ShmError with exactly these facts. */
export async function answersWith(t: Test, answer: Promise<unknown>, facts: Facts): Promise<void> {
  const error = await t.throwsAsync(answer, { name: 'ShmError' }, `${facts.code} was expected`)
  if (error !== undefined) saysExactly(t, error as unknown as Record<string, unknown>, facts)
}

function saysExactly(t: Test, error: Record<string, unknown>, { hint, ...given }: Facts): void {
  const { syscall, ...rest } = given
  if (syscall instanceof RegExp) t.regex(String(error['syscall']), syscall)
  const facts = syscall === undefined ? rest : { ...rest, syscall: syscall instanceof RegExp ? error['syscall'] : syscall }
  const number = numbers[facts.code]
  const wanted = { ...facts, ...(number === undefined ? {} : { errno: -number }) }
  const words = ['code', 'errno', 'syscall', 'key', 'id', 'objectName', 'path']
  const said = Object.fromEntries(words.filter(word => error[word] !== undefined).map(word => [word, error[word]]))
  t.deepEqual(said, wanted, String(error['message']))
  t.true(String(error['message']).includes(facts.code) || facts.code.startsWith('ERR_SHM_'), String(error['message']))
  if (hint instanceof RegExp) t.regex(String(error['hint']), hint)
  if (hint === null) t.is(error['hint'], undefined)
}

/** The call refuses an argument: TypeError or RangeError with Node's code, whose message names it. */
export function refuses(t: Test, call: () => unknown, argument: string, label: string): void {
  const error = t.throws(call, { any: true }, `${label} was taken`) as (Error & { code?: string }) | undefined
  if (error === undefined) return
  const kind = error instanceof RangeError ? ['ERR_OUT_OF_RANGE'] : error instanceof TypeError ? ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE'] : []
  t.true(kind.includes(error.code ?? ''), `${label}: ${error.name} ${error.code}: ${error.message}`)
  t.true(error.message.includes(`"${argument}`), `${label} names ${argument}: ${error.message}`)
  t.regex(error.message, /must be .*Received /su, label)
}
