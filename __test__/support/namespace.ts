/**
 * Prefixes for `startChild`: a child in an IPC and mount namespace of its own (its System V objects vanish with it, its limits and
 * its /dev/shm are its own), or a child as another user. Both need root: ask `whyNotPrivate()` or `whyNotOther()` first and skip
 * with what it answers.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** `nobody`, who owns nothing here. */
export const OTHER_UID = 65_534

/**
 * Runs the command behind it in namespaces of its own (`unshare -i -m`), after `setup`, shell words run there as root, such as
 * `'echo 1 > /proc/sys/kernel/shmmni'` or `'mount -t tmpfs -o size=64m shm /dev/shm'`.
 */
export function privately(setup: string = ':'): string[] {
  return ['unshare', '--ipc', '--mount', 'sh', '-c', `set -e; ${setup}; exec "$@"`, 'sh']
}

/** Runs the command behind it as another user without any privilege. Behind `privately()` it works too: `[...privately(), ...asOther()]`. */
export function asOther(uid: number = OTHER_UID): string[] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all', '--no-new-privs']
}

/** Why no private namespaces can be had, or nothing. */
export function whyNotPrivate(): string | undefined {
  return why(privately(), 'private namespaces (unshare --ipc --mount)')
}

/** Why no child can run as another user, or nothing. */
export function whyNotOther(): string | undefined {
  return why(asOther(), 'another user (setpriv --reuid)')
}

/** What the trials came to: what a process may do does not change while it runs. */
const tried = new Map<string, string | undefined>()

function why(prefix: string[], what: string): string | undefined {
  if (!tried.has(what)) tried.set(what, attempt(prefix, what))
  return tried.get(what)
}

/** Tries it with what a child needs: Node, and the compiled files. */
function attempt(prefix: string[], what: string): string | undefined {
  if (process.getuid?.() !== 0) return `${what} needs root`
  const [command = '', ...args] = prefix
  const file = fileURLToPath(import.meta.url)
  const { error, status, stderr } = spawnSync(command, [...args, process.execPath, '--check', file], { encoding: 'utf8' })
  if (error !== undefined) return `${what}: ${error.message}`
  return status === 0 ? undefined : `${what}: ${(stderr.trim().split('\n')[0] ?? '') || `ended with ${status}`}`
}
