/**
 * A Unix socket between two Node processes, one byte at a time: nanoseconds one way.
 *
 *     node dist/benchmark/probes/unix-socket.js idle <wakes>          both asleep in their event loops before; the median
 *     node dist/benchmark/probes/unix-socket.js ping-pong <rounds>
 */
import { ByteSocket } from '../support/byte-socket.js'
import { Partner } from '../support/partner.js'
import { summarize } from '../support/statistics.js'
import { idleWakes, pingPong, playSocket } from '../support/wakes.js'

const [kind, words = ''] = process.argv.slice(2)
const count = Number(words)
if ((kind !== 'idle' && kind !== 'ping-pong') || !Number.isSafeInteger(count) || count < 1) {
  throw new RangeError('usage: unix-socket idle <wakes> | unix-socket ping-pong <rounds>')
}
const partner = new Partner('socket-waiter')
const socket = new ByteSocket(partner.socket)
if (kind === 'idle') {
  const wakes = await idleWakes(partner, ['socket arrivals'], () => socket.send(), count)
  process.stdout.write(`${summarize(wakes).median.toFixed(0)}\n`)
} else {
  const play = (rounds: number): Promise<number> => pingPong(partner, ['socket echo'], (left) => playSocket(socket, left), rounds)
  await play(Math.ceil(count / 10))
  process.stdout.write(`${(await play(count)).toFixed(0)}\n`)
}
partner.close()
