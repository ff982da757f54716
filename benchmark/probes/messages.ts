/**
 * Messages of 64 bytes, one at a time, from one Node process to another that checks them: nanoseconds a message.
 *
 *     node dist/benchmark/probes/messages.js socket <messages>      a Unix socket, one write a message
 *     node dist/benchmark/probes/messages.js json <messages>        process.send of 16 numbers
 *     node dist/benchmark/probes/messages.js advanced <messages>    process.send of 64 bytes, serialized as structured clones
 */
import { MessageWay } from '../support/messages.js'

const [name, words = ''] = process.argv.slice(2)
const count = Number(words)
if ((name !== 'socket' && name !== 'json' && name !== 'advanced') || !Number.isSafeInteger(count) || count < 1) {
  throw new RangeError('usage: messages socket|json|advanced <messages>')
}
const way = name === 'socket' ? MessageWay.overSocket() : MessageWay.overChannel(name)
await way.stream(Math.ceil(count / 10))
process.stdout.write(`${(await way.stream(count)).toFixed(0)}\n`)
way.close()
