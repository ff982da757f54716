/**
 * From what the user typed to the objects that are meant.
 */
import { list, type ObjectFacts, type ObjectKind } from 'shmem'
import { Usage } from './exit.js'
import { escaped, unescapedWords } from './words.js'

/** Every object that the word can mean: `0x2a` a key, `98304` an identifier, `/orders` or `orders` a POSIX name, `memfd:x`. Also names as `ls` escapes them. */
export function matching(word: string, objects: ObjectFacts[], kind?: ObjectKind): ObjectFacts[] {
  const candidates = kind === undefined ? objects : objects.filter(object => object.kind === kind)
  if (/^0x[0-9a-f]{1,8}$/iu.test(word)) return candidates.filter(({ key }) => key === (Number(word) | 0))
  const isId = /^\d+$/u.test(word)
  // Anybody may give an object a number for a name: then both are meant, and `only` asks which.
  return candidates.filter(({ name, path, id }) => [name, name.slice(1), escaped(name), escaped(name).slice(1), path].includes(word) || (isId && id === Number(word)))
}

/** The same among all objects there are; an error where there is none. */
export function found(word: string, kind: ObjectKind | undefined, users: boolean): ObjectFacts[] {
  const objects = matching(word, list(kind === undefined ? { users } : { users, kinds: [kind] }), kind)
  if (objects.length === 0) throw Object.assign(new Error(`no object is called ${word}: \`shmem ls\` lists them`), { code: 'ENOENT' })
  return objects
}

/** The one that is meant. */
export function only(word: string, objects: ObjectFacts[]): ObjectFacts {
  const [first, ...more] = objects
  if (first === undefined || more.length > 0) throw new Usage(`${word} can mean ${objects.map(unescapedWords).join(' or ')}: say which with --kind, or by identifier`)
  return first
}

/** Whether the word is the path of a file, not a name: POSIX names have one slash, at the beginning. */
export function isPath(word: string): boolean {
  return /^\.{1,2}\/|^\/[^/]+\//u.test(word) && !word.startsWith('/dev/shm/')
}
