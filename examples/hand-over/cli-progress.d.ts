/** The part of `cli-progress` that we use; the package has no types of its own. */
declare module 'cli-progress' {
  export class SingleBar {
    constructor(options: {
      format?: string
      barCompleteChar?: string
      barIncompleteChar?: string
      clearOnComplete?: boolean
      stream?: NodeJS.WritableStream
    })
    start(total: number, startValue: number, payload?: Record<string, string>): void
    setTotal(total: number): void
    update(value: number, payload?: Record<string, string>): void
    stop(): void
  }
}
