/**
 * Finds the native image for this platform and C library, and says what is wrong where there is none that fits: every way in which
 * an installation fails ends here, in one error with a remedy.
 *
 * @module
 * @internal
 */

import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import type * as Binding from '#native'
import { ShmError } from './errors.js'
import { version } from './version.js'

type Libc = 'gnu' | 'musl'

const require = createRequire(import.meta.url)
const libcNames = { gnu: 'glibc', musl: 'musl' }
const targets = ['x64', 'arm64'].flatMap(cpu => ['gnu', 'musl'].map(abi => `linux-${cpu}-${abi}`))

/**
 * The native image's exports.
 *
 * @throws {@link ShmError} `ERR_SHM_UNSUPPORTED_PLATFORM`; `ERR_SHM_NO_NATIVE_IMAGE`: none is installed;
 * `ERR_SHM_WRONG_NATIVE_IMAGE`: what is installed is for another machine or version; `ERR_SHM_ADDONS_FORBIDDEN`.
 */
export function loadImage(): typeof Binding {
  const target = thisTarget()
  const binding = requireFirst([localImage(target), packageOf(target)])
  if (binding === undefined) throw missing(target)
  const found = versionOf(binding)
  if (found !== version) throw otherVersion(target, found === undefined ? 'an older version' : `shmem ${found}`)
  return binding
}

/** What an image says of itself; nothing for one that was made before images said it, and for what somebody put in its place. */
function versionOf(binding: Partial<typeof Binding> | null): string | undefined {
  return typeof binding?.imageVersion === 'function' ? binding.imageVersion() : undefined
}

/** Linux, x64 or arm64, with the C library that this process runs on. */
function thisTarget(): string {
  const { platform, arch } = process
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64')) {
    throw new ShmError({
      code: 'ERR_SHM_UNSUPPORTED_PLATFORM',
      message: `shmem works on Linux on x64 and arm64; this is ${platform} on ${arch}`,
      hint: 'Where a program must run there too, ask isSupported() of shmem/support, and load shmem by import()'
    })
  }
  return `linux-${arch}-${libc()}`
}

/** The image beside us (built here), else the platform package (installed); nothing where there is neither. */
function requireFirst(candidates: string[]): typeof Binding | undefined {
  for (const candidate of candidates) {
    try {
      const path = require.resolve(candidate)
      refuseCutOff(path)
      return requireOnce(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw refused(candidate, error as NodeJS.ErrnoException)
    }
  }
  return undefined
}

/** The images of this environment, by device and inode: those of all copies of this package. */
const IMAGES = Symbol.for('shmem.images')

/**
 * A process has a file once, by whichever name. Loaded for a second copy of the package, whose image is a hard link (as pnpm and Bun make them), it would make
 * its classes anew, and the first copy would not know its own objects: so they have one between them.
 */
function requireOnce(path: string): typeof Binding {
  const place = globalThis as { [IMAGES]?: Map<string, typeof Binding> }
  if (place[IMAGES] === undefined) Object.defineProperty(place, IMAGES, { value: new Map() })
  let key = path
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    key = `${dev}:${ino}`
  } catch {
    // We may not look at it.
  }
  const known = place[IMAGES]?.get(key)
  if (known !== undefined) return known
  const binding = require(path) as typeof Binding
  place[IMAGES]?.set(key, binding)
  return binding
}

/** It is there, and could not be loaded. */
function refused(candidate: string, error: NodeJS.ErrnoException): ShmError {
  const [reason = ''] = error.message.split('\n')
  // Node.js, and two generations of Deno.
  if (error.code?.endsWith('_DLOPEN_DISABLED') === true || error.name === 'NotCapable' || error.name === 'PermissionDenied') {
    return new ShmError({
      code: 'ERR_SHM_ADDONS_FORBIDDEN',
      message: `this process may not load native code, which shmem is made of (${reason.replace(/\.$/u, '')})`,
      hint: 'In Node.js, add --allow-addons to --permission (Node.js 20: --experimental-permission) and leave out --no-addons; in Deno, add --allow-ffi'
    })
  }
  let path = candidate
  let found: string | undefined
  try {
    path = require.resolve(candidate)
    // What is cut off does not tell.
    if (reason !== CUT_OFF) found = targetOf(path)
  } catch {
    // It cannot be read either: the reason says why.
  }
  const wanted = thisTarget()
  return new ShmError({
    code: 'ERR_SHM_WRONG_NATIVE_IMAGE',
    message: found === undefined || found === wanted
      ? `the native image ${path} cannot be loaded: ${reason}`
      : `${path} is the native image for ${inWords(found)}, and this process runs on ${inWords(wanted)}`,
    hint: hintForRefusal(reason, found !== undefined && found !== wanted)
  })
}

function hintForRefusal(reason: string, isOther: boolean): string {
  if (isOther) return OTHER_MACHINE
  const needed = /GLIBC_[\d.]+/u.exec(reason)?.[0]
  if (needed !== undefined) return `It was built for a newer C library, one with ${needed}: install the published package, or build it here`
  if (reason.endsWith('failed to map segment from shared object')) return 'Its file system may be mounted noexec: install where programs may run'
  return 'The file may be damaged: remove node_modules and install again; in a clone, npm run build'
}

const CUT_OFF = 'the file is cut off, or its end is not there'
const OTHER_MACHINE = 'node_modules was installed on another machine, or for one (as when it is copied into a container): install here, or for this machine with npm install --cpu and --libc'

/** No image where it should be: perhaps there is one of another machine. */
function missing(target: string): ShmError {
  const other = targets.find(name => name !== target && isInstalled(name))
  if (other !== undefined) {
    return new ShmError({
      code: 'ERR_SHM_WRONG_NATIVE_IMAGE',
      message: `the native image that is installed is for ${inWords(other)} (${packageOf(other)}), and this process runs on ${inWords(target)} (${packageOf(target)})`,
      hint: OTHER_MACHINE
    })
  }
  return new ShmError({
    code: 'ERR_SHM_NO_NATIVE_IMAGE',
    message: `the native image for ${inWords(target)} is not installed: the package ${packageOf(target)} is missing`,
    hint: `It is an optional dependency of shmem: install without --omit=optional. Where npm has forgotten it in package-lock.json, remove that file and node_modules and install again, or npm install ${packageOf(target)}@${version}. In a clone: npm run build`
  })
}

function otherVersion(target: string, found: string): ShmError {
  return new ShmError({
    code: 'ERR_SHM_WRONG_NATIVE_IMAGE',
    message: `the native image for ${inWords(target)} is that of ${found}, and this is shmem ${version}`,
    hint: `Both must be of one version: remove node_modules and install again, so that ${packageOf(target)} is ${version}; in a clone, npm run build`
  })
}

function packageOf(target: string): string {
  return `shmem-${target}`
}

function localImage(target: string): string {
  return `../../native/shmem.${target}.node`
}

function isInstalled(target: string): boolean {
  return [localImage(target), packageOf(target)].some(candidate => {
    try {
      return require.resolve(candidate) !== ''
    } catch {
      return false
    }
  })
}

/** `linux-x64-gnu` as people say it. */
function inWords(target: string): string {
  const [, cpu = '', libcName = 'gnu'] = target.split('-')
  return `${cpu} with ${libcNames[libcName as Libc]}`
}

/** What C library this process runs on: its interpreter says so, whatever else is installed. */
function libc(): Libc {
  const interpreter = interpreterOf('/proc/self/exe')
  if (interpreter !== undefined) return interpreter.includes('ld-musl-') ? 'musl' : 'gnu'
  // /proc is closed to us, or node was started through the interpreter itself.
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean } | undefined
  if (typeof report !== 'object' || report === null) return 'gnu'
  const { excludeNetwork } = report
  try {
    // Otherwise it looks the names of its sockets up, which takes seconds.
    report.excludeNetwork = true
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header?.glibcVersionRuntime === undefined ? 'musl' : 'gnu'
  } catch {
    // Deno without --allow-sys; it is built for glibc only.
    return 'gnu'
  } finally {
    if (excludeNetwork !== undefined) report.excludeNetwork = excludeNetwork
  }
}

/** The first bytes of an image or program, as elf(5) has them; of its segments the one that names the interpreter; of its sections one of names. */
const ELF = 0x7f454c46
const PT_INTERP = 3
const SHT_STRTAB = 3

/** The path in a program's header PT_INTERP, as elf(5) has it for 64 bits; nothing where it cannot be read. */
function interpreterOf(program: string): string | undefined {
  try {
    const fd = openSync(program, 'r')
    try {
      const header = bytesAt(fd, 0, 64)
      const [start, stride, count] = [Number(header.readBigUInt64LE(32)), header.readUInt16LE(54), header.readUInt16LE(56)]
      for (let i = 0; i < count; i++) {
        const entry = bytesAt(fd, start + i * stride, 56)
        if (entry.readUInt32LE(0) !== PT_INTERP) continue
        return bytesAt(fd, Number(entry.readBigUInt64LE(8)), Math.min(Number(entry.readBigUInt64LE(32)), 4096)).toString('latin1')
      }
    } finally {
      closeSync(fd)
    }
  } catch {
    // No /proc, or no right to it.
  }
  return undefined
}

function bytesAt(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  if (readSync(fd, bytes, 0, length, offset) !== length) throw new RangeError('the file is too short')
  return bytes
}

/**
 * Refuses an image that ends before it should, as an interrupted download or a full disk leaves it: the loader would map it as if it were whole, and the
 * process die by SIGBUS. The table of sections is what stands last in it.
 */
function refuseCutOff(path: string): void {
  let isWhole = true
  try {
    const fd = openSync(path, 'r')
    try {
      const header = bytesAt(fd, 0, 64)
      if (header.readUInt32BE(0) !== ELF) return
      const [start, stride, count, names] = [Number(header.readBigUInt64LE(40)), header.readUInt16LE(58), header.readUInt16LE(60), header.readUInt16LE(62)]
      if (count === 0) return
      const table = fstatSync(fd).size < start + count * stride ? undefined : bytesAt(fd, start, count * stride)
      isWhole = table?.readUInt32LE(names * stride + 4) === SHT_STRTAB
    } finally {
      closeSync(fd)
    }
  } catch {
    // It is no image, or we may not read it: the loader says so.
  }
  if (!isWhole) throw new Error(CUT_OFF)
}

/** For which machine an image is, by its own words; nothing for what is no image of ours. */
function targetOf(path: string): string | undefined {
  const bytes = readFileSync(path)
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== ELF) return undefined
  const cpu = new Map([[62, 'x64'], [183, 'arm64']]).get(bytes.readUInt16LE(18))
  // The name of glibc's libc, which an image for musl never needs.
  return cpu === undefined ? undefined : `linux-${cpu}-${bytes.includes('libc.so.6\0') ? 'gnu' : 'musl'}`
}
