/** The process that is woken through a Unix socket: answers when each byte arrived, or echoes them. */
import { ByteSocket } from '../support/byte-socket.js'
import { nowNs, serve } from '../support/duties.js'
import { partnerSocketFd } from '../support/partner.js'

const socket = new ByteSocket(partnerSocketFd)

await serve({
  'socket arrivals': (count = 0) => socket.arrivals(count, nowNs),
  'socket echo': async (count = 0) => {
    await socket.echo(count)
    return []
  },
})
