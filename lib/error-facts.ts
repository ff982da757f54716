/**
 * What is known of a failure before it becomes an error.
 *
 * @module
 * @internal
 */

/** The facts of a failure, as the native side or the facade knows them. */
export interface ErrorFacts {
  code: string
  message: string
  errno?: number | undefined
  syscall?: string | undefined
  /** System V: the key. */
  key?: number | undefined
  /** System V: the identifier. */
  id?: number | undefined
  /** POSIX and managed: the name. A memfd: its label. */
  objectName?: string | undefined
  /** A file: its path. */
  path?: string | undefined
  hint?: string | undefined
}

/** What an error is about: in words, and as the fields of the error. */
export interface Subject extends Pick<ErrorFacts, 'key' | 'id' | 'objectName' | 'path'> {
  words: string
}
