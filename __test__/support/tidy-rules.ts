/**
 * The house rules that a machine can hold (DESIGN.md §1, STYLE.md §1), for 00.tidy.test.ts.
 * A rule looks at one file, by its path in the repository, and answers with the lines that break it.
 */
import { bracketed, codeOf, lineAt } from './rust-text.js'

/** A place that breaks a rule, as `path:line: what is wrong`. */
export type Complaint = string

/** One house rule; its name is a claim about the repository. */
export interface Rule {
  name: string
  check(path: string, text: string): Complaint[]
}

/** From the ground up: a floor imports only from those before it. */
const floors = ['sys', 'memory', 'membership', 'sync', 'managed', 'structures']
/** The rooms of the facade, the same way. What lies in lib/ itself is below them all, and knows of them by type only. */
const rooms = ['waits', 'memory', 'raw', 'membership', 'semaphores', 'pthread', 'system', 'locks', 'structures', 'managed']
const maxLines = 600
/** How far above an unsafe block its proof may begin. */
const proofDistance = 6

const isRust = (path: string): boolean => path.endsWith('.rs')
const isSource = (path: string): boolean => /\.(rs|ts|mts|cts|js|mjs|cjs)$/u.test(path) && !path.endsWith('.d.ts')
const isBinding = (path: string): boolean => path.startsWith('crate/node/')

export const noUpwardImport: Rule = {
  name: 'no floor of the core looks up',
  check(path, text) {
    const module = /^crate\/core\/src\/(.+)\.rs$/u.exec(path)?.[1]?.split('/') ?? []
    const rank = floors.indexOf(module[0] ?? '')
    if (rank === -1) return []
    // `super` counts from the module itself, which a mod.rs shares with its folder.
    const depth = module.at(-1) === 'mod' ? module.length - 1 : module.length
    const code = codeOf(text)
    return matches(code, /\bcrate::\s*(\w+|\{)|\b((?:super::\s*)+)(\w+|\{)/gu)
      .filter(({ found }) => found[1] !== undefined || (found[2]?.match(/super/gu)?.length ?? 0) >= depth)
      .flatMap(({ found, index }) => {
        const named = (found[1] ?? found[3]) === '{' ? groupNames(code, index + found[0].length - 1) : [found[1] ?? found[3] ?? '']
        return named
          .filter((name) => floors.indexOf(name) > rank)
          .map((name) => complain(path, code, index, `floor ${floors[rank]} uses ${name}, which is above it`))
      })
  },
}

export const noRoomLooksUp: Rule = {
  name: 'no room of the facade looks up',
  check(path, text) {
    const [, room] = /^lib\/(?:([\w-]+)\/)?.+\.ts$/u.exec(path) ?? []
    if (!path.startsWith('lib/')) return []
    return matches(text, /^(import|export)( type)?[^']*? from '\.{1,2}\/(?:\.\.\/)*([\w-]+)\//gmu)
      .filter(({ found }) => rooms.includes(found[3] ?? '') && (room !== undefined || found[2] === undefined))
      .filter(({ found }) => rooms.indexOf(found[3] ?? '') > (room === undefined ? -1 : rooms.indexOf(room)))
      .map(({ found, index }) => complain(path, text, index, `${room ?? 'lib'} uses ${found[3]}, which is above it`))
  },
}

/** Modules of the core that its documentation shows: what crate/core/README.md promises. */
const promised = ['error', 'memory', 'posix', 'memfd', 'file', 'sysv', 'membership', 'managed', 'handle', 'structures', 'ring', 'map', 'list', 'broadcast', 'latest']

export const coreShowsWhatItPromises: Rule = {
  name: 'the core shows no module that it does not promise',
  check(path, text) {
    // Inside of what is hidden everything is.
    if (!/^crate\/core\/src\/(?:lib|(?:memory|membership|managed|structures)\/(?:[\w/]+\/)?mod)\.rs$/u.test(path) || path.includes('/geometry/')) return []
    return matches(text, /(#\[doc\(hidden\)\]\n)?^pub mod (\w+);/gmu)
      .filter(({ found }) => found[1] === undefined && !promised.includes(found[2] ?? ''))
      .map(({ found, index }) => complain(path, text, index, `${found[2]} is public: hide it, or promise it`))
  },
}

export const cOnlyInSys: Rule = {
  name: 'C is called under crate/core/src/sys/ only',
  check(path, text) {
    if (!isRust(path) || path.startsWith('crate/core/src/sys/') || path === 'crate/core/src/sys.rs') return []
    return everywhere(path, codeOf(text), /\b(?:libc|nix)::|\buse\s+(?:::)?(?:libc|nix)\b/gu, 'libc and nix belong to sys/')
  },
}

export const napiOnlyInBinding: Rule = {
  name: 'napi is used under crate/node/ only',
  check(path, text) {
    if (isBinding(path)) return []
    if (/^crate\/.*Cargo\.toml$/u.test(path)) return everywhere(path, text, /^napi\b/gmu, 'napi belongs to crate/node')
    return isRust(path) ? everywhere(path, codeOf(text), /\bnapi\w*::|#\[napi\b/gu, 'napi belongs to crate/node') : []
  },
}

export const opensWithDoc: Rule = {
  name: 'every source file opens with a doc comment',
  check(path, text) {
    if (!isSource(path)) return []
    const opening = text.replace(/^#!.*\n/u, '').trimStart()
    const good = isRust(path) ? opening.startsWith('//!') : opening.startsWith('/**')
    return good ? [] : [`${path}:1: opens without a doc comment`]
  },
}

export const notTooLong: Rule = {
  name: `no source file is longer than ${maxLines} lines`,
  check(path, text) {
    const lines = text.trimEnd().split('\n').length
    return isSource(path) && lines > maxLines ? [`${path}:${maxLines}: ${lines} lines`] : []
  },
}

export const unsafeIsProved: Rule = {
  name: 'every unsafe block has its SAFETY proof close above',
  check(path, text) {
    if (!isRust(path)) return []
    const code = codeOf(text)
    const lines = text.split('\n')
    return matches(code, /\bunsafe\s*(?:\{|impl\b)/gu)
      .filter(({ index }) => {
        const line = lineAt(code, index)
        return !lines.slice(Math.max(line - 1 - proofDistance, 0), line).some((near) => near.includes('SAFETY:'))
      })
      .map(({ index }) => complain(path, code, index, 'unsafe without a SAFETY: comment close above'))
  },
}

export const napiCatchesPanics: Rule = {
  name: 'every #[napi] function and method has catch_unwind',
  check(path, text) {
    if (!isRust(path) || !isBinding(path)) return []
    const code = codeOf(text)
    return matches(code, /#\[\s*(?:napi_derive::)?napi\b/gu).flatMap(({ index }) => {
      const attribute = bracketed(code, index + 1)
      return isFunctionAt(code, index + 1 + attribute.length) && !/\bcatch_unwind\b/u.test(attribute)
        ? [complain(path, code, index, 'a panic here would end the process: #[napi(catch_unwind)]')]
        : []
    })
  },
}

export const callbacksAreGuarded: Rule = {
  name: 'every C callback of the binding goes through guarded',
  check(path, text) {
    if (!isRust(path) || !isBinding(path)) return []
    const code = codeOf(text)
    return matches(code, /\bextern\s*(?:"[^"]*"\s*)?fn\s+(\w+)/gu).flatMap(({ found, index }) => {
      const end = code.slice(index).search(/[;{]/u) + index
      // Declarations of foreign functions have no body.
      if (code[end] !== '{' || /\bguarded\s*\(/u.test(bracketed(code, end))) return []
      return [complain(path, code, index, `${found[1]} must go through crate::panics::guarded`)]
    })
  },
}

export const noRegistryAddress: Rule = {
  name: 'no file names a registry address',
  check(path, text) {
    if (path === 'Cargo.lock') return []
    const address = /registry\.(?:npmjs|yarnpkg)|\/\/[\w.-]*crates\.io|"resolved":\s*"http|registry\s*=\s*"?(?:sparse\+)?http/giu
    return everywhere(path, text, address, 'a registry address')
  },
}

export const everyTestRuns: Rule = {
  name: 'no test is switched off or singled out in the source',
  check(path, text) {
    if (isRust(path)) return everywhere(path, codeOf(text), /#\[\s*ignore\b/gu, 'a test that does not run')
    if (!isSource(path)) return []
    return everywhere(path, text, /\.only\(|\btest(?:\.\w+)*\.(?:skip|failing|todo)\b/gu, 'a test that does not run, or runs alone')
  },
}

/** All rules, in the order of DESIGN.md and STYLE.md. */
export const rules: readonly Rule[] = [
  noUpwardImport,
  noRoomLooksUp,
  coreShowsWhatItPromises,
  cOnlyInSys,
  napiOnlyInBinding,
  opensWithDoc,
  notTooLong,
  unsafeIsProved,
  napiCatchesPanics,
  callbacksAreGuarded,
  noRegistryAddress,
  everyTestRuns,
]

function matches(text: string, pattern: RegExp): { found: RegExpMatchArray; index: number }[] {
  return [...text.matchAll(pattern)].map((found) => ({ found, index: found.index }))
}

function everywhere(path: string, text: string, pattern: RegExp, message: string): Complaint[] {
  return matches(text, pattern).map(({ found, index }) => complain(path, text, index, `${message}: ${found[0]}`))
}

function complain(path: string, text: string, index: number, message: string): Complaint {
  return `${path}:${lineAt(text, index)}: ${message}`
}

/** The first names of `{a::b, c::{d, e}}`: a and c. */
function groupNames(code: string, open: number): string[] {
  let inner = bracketed(code, open).slice(1, -1)
  while (inner.includes('{')) inner = inner.replace(/\{[^{}]*\}/gu, '')
  return inner.split(',').map((path) => path.trim().split('::')[0] ?? '')
}

/** Whether the item behind an attribute is a function; further attributes in between do not count. */
function isFunctionAt(code: string, index: number): boolean {
  let rest = code.slice(index).trimStart()
  while (rest.startsWith('#[')) rest = rest.slice(1 + bracketed(rest, 1).length).trimStart()
  return /^(?:pub(?:\s*\([^)]*\))?\s+)?(?:(?:const|async|unsafe|extern(?:\s*"[^"]*")?)\s+)*fn\b/u.test(rest)
}
