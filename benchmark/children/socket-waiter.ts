/** The process that is woken through a Unix socket: answers when each byte arrived, or echoes them. */
import { ByteSocket } from '../support/byte-socket.js'
import { serve } from '../support/duties.js'
import { partnerSocketFd } from '../support/partner.js'
import { socketDuties } from '../support/wakes.js'

await serve(socketDuties(new ByteSocket(partnerSocketFd)))
