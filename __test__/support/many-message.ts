/**
 * Messages of a ring of many: each says who sent it and as his how manieth, and every other word of it follows from that.
 */

/** Words of a message. */
export const MESSAGE_WORDS = 16
/** Bytes of a message. */
export const MESSAGE_BYTES = 4 * MESSAGE_WORDS

/** Writes message `number` of `sender` at element `at`. */
export function writeMessage(words: Int32Array, at: number, sender: number, number: number): void {
  words[at] = sender
  words[at + 1] = number
  for (let word = 2; word < MESSAGE_WORDS; word += 1) words[at + word] = mixed(sender, number, word)
}

/** Whether the message at element `at` is whole. */
export function isWhole(words: Int32Array, at: number): boolean {
  const sender = words[at] as number
  const number = words[at + 1] as number
  for (let word = 2; word < MESSAGE_WORDS; word += 1) if (words[at + word] !== mixed(sender, number, word)) return false
  return true
}

/** One number of a sender and a message; of two messages it is seldom the same. */
export function mixed(sender: number, number: number, word: number): number {
  return Math.imul(number ^ (sender << 24), 0x9e3779b1 + word) ^ (number >>> 7)
}
