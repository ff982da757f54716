/** Our side of `latest.bench.ts`. */

export interface LatestValue {
  write(value: Uint8Array): void
  /** Into the target. */
  read(target: Uint8Array): void
  close(): void
}

/** Once there is one: `mem.latest('pose', { bytes })` of a managed segment of that name. */
export function openLatest(_name: string, _bytes: number): LatestValue | string {
  return 'Latest is not there yet.'
}
