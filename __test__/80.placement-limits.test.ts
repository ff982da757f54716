/**
 * Pages that are brought in, by whatever option or call, are refused where a control group has no memory for them: the kernel would
 * kill a process of the group.
 */
import test from 'ava'
import { IPC_PRIVATE } from 'shmem'
import { startChild } from './support/child.js'
import { answersWith } from './support/failure.js'
import { limitedTo } from './support/memory-limit.js'
import { temporaryFolder } from './support/peer.js'

const MIB = 2 ** 20
const LIMIT = 192 * MIB
const noMemory = { code: 'ERR_SHM_NO_MEMORY', hint: /Without prefault/u }

test('what does not fit the control group is ERR_SHM_NO_MEMORY, and what fits is brought in', async t => {
  const prefix = limitedTo(t, LIMIT)
  if (prefix === undefined) return
  const child = startChild(t, 'caller', { prefix })
  const call = (...words: unknown[]): Promise<any> => child.ask('call', words)
  const sysv = { size: 2 * LIMIT, removeOnLastDetach: true }
  for (const option of [{ prefault: true }, { reserve: true }]) {
    await t.throwsAsync(call('SysvSegment.create', [IPC_PRIVATE, { ...sysv, ...option }]), { code: 'ERR_SHM_NO_MEMORY' }, JSON.stringify(option))
  }
  await call('SysvSegment.create', [IPC_PRIVATE, sysv], 'sysv')
  await call('MemfdSegment.create', ['sparse', { size: 2 * LIMIT, reserve: false }], 'memfd')
  for (const kept of ['sysv', 'memfd']) {
    const { id } = kept === 'sysv' ? await call('sysv.stat') : { id: undefined }
    const facts = { ...noMemory, ...(id === undefined ? {} : { id }) }
    await answersWith(t, call(`${kept}.prefault`), facts)
    await answersWith(t, call(`${kept}.prefaultAsync`, [{ chunkBytes: MIB }]), facts)
    await answersWith(t, call(`${kept}.collapse`), facts)
    t.is((await call(`${kept}.residency`)).residentPages, 0, kept)
  }
  await answersWith(t, call('memfd.lockMemory'), noMemory)

  await call('MemfdSegment.create', ['fits', { size: 80 * MIB, reserve: false, prefault: true }], 'fits')
  // There already: nothing more is wanted, though the group has less than that left.
  await call('fits.prefault')
  t.is((await call('fits.residency')).residentBytes, 80 * MIB)
})

test('files that nobody uses do not count as memory that is taken', async t => {
  const limit = 128 * MIB
  const prefix = limitedTo(t, limit)
  if (prefix === undefined) return
  const fill = `head -c ${limit} /dev/zero > ${temporaryFolder(t)}/unused`
  const child = startChild(t, 'caller', { prefix: [...prefix, 'sh', '-c', `${fill}; exec "$@"`, 'sh'] })
  await child.ask('call', ['MemfdSegment.create', ['reserved', { size: 32 * MIB }], 'mine'])
  t.is((await child.ask('call', ['mine.stat'])).reserved, true)
})
