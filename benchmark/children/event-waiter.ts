/**
 * The process that is woken: through two events of a managed segment, blocking its thread or not, or through a Unix socket.
 * Its argument is the name of the segment.
 */
import { ByteSocket } from '../support/byte-socket.js'
import { nowNs, serve } from '../support/duties.js'
import { openEvents, waitOptions } from '../support/events.js'
import { partnerSocketFd } from '../support/partner.js'
import { socketDuties } from '../support/wakes.js'

const { segment, there, back } = openEvents(process.argv[2] ?? '')

await serve({
  ...socketDuties(new ByteSocket(partnerSocketFd)),
  'event echo, blocking': (rounds = 0, spinMicros) => {
    const options = waitOptions(spinMicros)
    for (let round = 0; round < rounds; round += 1) {
      there.waitSync(options)
      back.set()
    }
    return []
  },
  'event echo': async (rounds = 0, spinMicros) => {
    const options = waitOptions(spinMicros)
    for (let round = 0; round < rounds; round += 1) {
      await there.wait(options)
      back.set()
    }
    return []
  },
  'event arrivals': async (count = 0, spinMicros) => {
    const options = waitOptions(spinMicros)
    const times: number[] = []
    while (times.length < count) {
      await there.wait(options)
      times.push(nowNs())
    }
    return times
  },
  // How many waits a burst of sets ended is not known before: it is over when nothing has come for a while.
  'event wakes': async (quietMs = 0) => {
    let wakes = 0
    while ((await there.wait({ timeoutMs: quietMs })) !== 'timedOut') wakes += 1
    return [wakes]
  },
})
segment.close()
