/** The thread that messages of 64 bytes are posted to: it checks each, and answers it where the duty says so. */
import { parentPort, type MessagePort } from 'node:worker_threads'
import { nowNs } from '../support/duties.js'
import { isMessage } from '../support/messages.js'
import type { FromWorker, ToWorker } from '../support/worker-partner.js'

const port = parentPort as MessagePort
let onWords: (words: Uint32Array) => void = () => {}

/** Resolves when so many messages have come in their order; `act` is called for each. */
function receive(count: number, act: (words: Uint32Array) => void): Promise<void> {
  let next = 0
  return new Promise((resolve, reject) => {
    onWords = (words) => {
      if (!isMessage(words, next)) reject(new Error(`message ${next} has other words`))
      next += 1
      act(words)
      if (next === count) resolve()
    }
  })
}

async function carryOut(duty: string, [count = 0]: number[]): Promise<number[]> {
  const times: number[] = []
  if (duty === 'receive') await receive(count, () => {})
  else if (duty === 'echo') await receive(count, (words) => say(words))
  else if (duty === 'arrivals') await receive(count, () => times.push(nowNs()))
  else throw new Error(`there is no duty ${duty}`)
  return duty === 'arrivals' ? times : [count]
}

function say(message: FromWorker): void {
  port.postMessage(message)
}

port.on('message', async (message: ToWorker) => {
  if (message instanceof Uint32Array) return onWords(message)
  const answer = carryOut(message.duty, message.numbers)
  say('begun')
  say({ answer: await answer })
})
