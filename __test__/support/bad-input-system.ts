/**
 * The rows of the bad-input table for what looks at the whole machine: `list`, `orphans`, `clean`, `remove`, `limits`, `doctor`.
 */
import * as bad from './bad-values.js'
import { needs, takes, type Argument } from './bad-values.js'

/** The rows. */
export function systemRows(): Record<string, Argument[]> {
  const kinds = [...bad.object.filter(value => !Array.isArray(value)), {}, ['disk'], [null], ['posix', 5]]
  const { kind, name, ...good } = { kind: 'posix', name: '/shmem-test-nobody-made-this', sizeBytes: 0 }
  const object = [
    ...bad.object, {}, ...bad.word.map(word => ({ ...good, name, kind: word })), ...bad.objectName.slice(0, 8).map(text => ({ ...good, kind, name: text })),
    { kind: 'sysv', name: '0x00000001' }, ...bad.fd.map(id => ({ kind: 'sysv', name: '0x00000001', id }))
  ]
  return {
    list: [takes('options', { kinds: ['posix'], users: false }, bad.object, { kinds, users: bad.flag, mine: bad.flag })],
    orphans: [takes('options', {}, bad.object, { foreign: bad.flag, name: bad.text })],
    clean: [needs('orphan', { ...good, kind, name }, [...object, { ...good, kind: 'memfd', name: 'memfd:x' }])],
    remove: [needs('facts', { ...good, kind, name }, object)],
    limits: [],
    doctor: []
  }
}
