/**
 * A name or key that another user took first: by default it is opened as ever, with `owner: 'me'` it is refused before a byte is looked at.
 */
import test from 'ava'
import { chmodSync } from 'node:fs'
import { FileSegment, ManagedSegment, MemfdSegment, PosixSegment, SysvSegment, type Segment } from 'shmem'
import { startChild } from './support/child.js'
import { failsWith } from './support/failure.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { objectName, temporaryFolder } from './support/peer.js'
import { skip } from './support/skip.js'
import { segmentOf, uniqueKey } from './support/sysv-objects.js'

const SIZE = 65_536
const mine = { owner: 'me' } as const
const refused = { code: 'ERR_SHM_FOREIGN_OWNER', hint: /owner or root can remove/u }

test('another user’s object is taken by default, and refused with owner: me, of every kind', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const child = startChild(t, 'caller', { prefix: asOther() })
  const open = { size: SIZE, mode: 0o666 }
  const name = objectName(t)
  const folder = temporaryFolder(t)
  chmodSync(folder, 0o777)
  const path = `${folder}/theirs`
  const key = uniqueKey()
  await child.ask('call', ['PosixSegment.create', [name, open], 'posix'])
  await child.ask('call', ['FileSegment.create', [path, open], 'file'])
  await child.ask('call', ['SysvSegment.create', [key, open], 'sysv'])
  const { id } = await child.ask('call', ['sysv.stat'])
  segmentOf(t, SysvSegment.attach(id)).close()

  const openings: [open: (owner: { owner?: 'me' | 'anybody' }) => Segment, facts: object][] = [
    [owner => PosixSegment.open(name, owner), { objectName: name }],
    [owner => PosixSegment.openOrCreate(name, { size: SIZE, ...owner }), { objectName: name }],
    [owner => FileSegment.open(path, owner), { path }],
    [owner => FileSegment.openOrCreate(path, { size: SIZE, ...owner }), { path }],
    [owner => MemfdSegment.fromProcess(child.pid, theirFd, owner), {}],
    [owner => SysvSegment.open(key, owner), { id }],
    [owner => SysvSegment.openOrCreate(key, { size: SIZE, ...owner }), { id }],
    [owner => SysvSegment.attach(id, owner), { id }]
  ]
  await child.ask('call', ['MemfdSegment.create', ['theirs', open], 'memfd'])
  const theirFd = await child.ask<number>('call', ['memfd.fd'])
  for (const [opened, facts] of openings) {
    const taken = opened({})
    t.false(taken.created)
    taken.close()
    failsWith(t, () => opened(mine), { ...refused, ...facts })
  }
  // As a larger one is asked for, too: whose it is comes first.
  failsWith(t, () => PosixSegment.openOrCreate(name, { size: 2 * SIZE, ...mine }), { ...refused, objectName: name })
  t.is((await child.ask('call', ['sysv.stat'])).attachCount, 1, 'nothing is left attached')

  const managed = name.slice(1)
  failsWith(t, () => ManagedSegment.openOrCreate(managed, { size: SIZE, ...mine }), { ...refused, objectName: name })
  failsWith(t, () => ManagedSegment.open(managed, mine), { ...refused, objectName: name })
  t.is(await child.ask('call', ['posix.read', [0, 64]]), '00'.repeat(64), 'nothing is written')
})

test('what a user gave away is refused of System V, whose creator keeps its rights', async t => {
  const reason = whyNotOther()
  if (reason !== undefined) return skip(t, reason)
  const child = startChild(t, 'caller', { prefix: asOther() })
  const key = uniqueKey()
  await child.ask('call', ['SysvSegment.create', [key, { size: SIZE, mode: 0o666 }], 'theirs'])
  const segment = segmentOf(t, SysvSegment.open(key))
  segment.set({ uid: process.geteuid?.() ?? 0 })
  failsWith(t, () => SysvSegment.open(key, mine), { ...refused, id: segment.id })
})

test('one’s own object is opened and made with owner: me', t => {
  const name = objectName(t)
  using made = PosixSegment.openOrCreate(name, { size: SIZE, ...mine })
  t.true(made.created)
  using opened = PosixSegment.openOrCreate(name, { size: SIZE, ...mine })
  t.false(opened.created)
  const key = uniqueKey()
  t.true(segmentOf(t, SysvSegment.openOrCreate(key, { size: SIZE, ...mine })).created)
  t.false(segmentOf(t, SysvSegment.openOrCreate(key, { size: SIZE, ...mine })).created)
  const mem = ManagedSegment.openOrCreate(name.slice(1), { size: SIZE, ...mine, members: 2, objects: 2 })
  t.teardown(() => mem.close())
  ManagedSegment.open(name.slice(1), mine).close()
})
