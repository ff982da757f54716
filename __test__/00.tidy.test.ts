/**
 * The house rules, held by a test each, over all files that git knows or would take.
 * Each rule also proves that it can go red, on a snippet that breaks it, and stays green on one that does not.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import test from 'ava'
import { skip } from './support/skip.js'
import * as tidy from './support/tidy-rules.js'

for (const rule of tidy.rules) {
  test(rule.name, (t) => {
    const files = repository()
    if (typeof files === 'string') return skip(t, files)
    t.true(files.some(({ path }) => path === 'package.json'))
    const complaints = files.flatMap(({ path, text }) => rule.check(path, text))
    t.deepEqual(complaints, [])
  })
}

goesRed(tidy.noUpwardImport, [
  ['crate/core/src/sys/mman.rs', '//! Doc.\nuse crate::memory::Mapping;'],
  ['crate/core/src/sys/mod.rs', 'use super::sync::Lock;'],
  ['crate/core/src/memory/view.rs', 'use super::super::managed;'],
  ['crate/core/src/memory/view.rs', 'use crate::{\n    sys::mman,\n    structures::{ring, map},\n};'],
  ['crate/core/src/sync.rs', 'fn f() { crate::managed::open() }'],
])
staysGreen(tidy.noUpwardImport, [
  ['crate/core/src/memory/view.rs', 'use crate::{sys::{managed, mman}, errno::Errno};\nuse super::structures;'],
  ['crate/core/src/sys/mman.rs', '/// See [`crate::memory`].\nuse crate::sys::conv;'],
  ['crate/core/src/lib.rs', 'pub use crate::structures::ring;'],
])

goesRed(tidy.noRoomLooksUp, [
  ['lib/waits/pending.ts', "import { Segment } from '../memory/segment.js'"],
  ['lib/memory/options.ts', "import {\n  a,\n  b\n} from '../raw/posix.js'"],
  ['lib/structures/map/map.ts', "import type { ManagedSegment } from '../../managed/managed-segment.js'"],
  ['lib/errors.ts', "export { pending } from './waits/pending.js'"],
])
staysGreen(tidy.noRoomLooksUp, [
  ['lib/structures/map/map.ts', "import * as check from '../../arguments.js'\nimport { Pending } from '../../waits/pending.js'\nimport { a } from './map-key.js'"],
  ['lib/tracing.ts', "import type { Member } from './membership/members.js'"],
  ['index.ts', "export { Mutex } from './lib/locks/mutex.js'"],
])

goesRed(tidy.coreShowsWhatItPromises, [
  ['crate/core/src/lib.rs', 'pub mod sys;'],
  ['crate/core/src/structures/ring/mod.rs', '#[doc(hidden)]\npub mod door;\nmod ends;\npub mod many;'],
])
staysGreen(tidy.coreShowsWhatItPromises, [
  ['crate/core/src/lib.rs', 'pub mod error;\n#[doc(hidden)]\npub mod sys;\nmod c_header;'],
  ['crate/core/src/sync/mod.rs', 'pub mod waiter;'],
])

goesRed(tidy.cOnlyInSys, [
  ['crate/core/src/memory/view.rs', 'let page = libc::PAGE_SIZE;'],
  ['crate/core/tests/mapping.rs', 'use nix::unistd::fork;'],
  ['crate/node/src/lib.rs', 'use libc as c;'],
])
staysGreen(tidy.cOnlyInSys, [
  ['crate/core/src/sys/mman.rs', 'use libc::mmap;'],
  ['crate/core/src/memory/view.rs', '// libc::mmap would do\nlet text = "libc::mmap";\nuse crate::sys::mman;'],
])

goesRed(tidy.napiOnlyInBinding, [
  ['crate/core/src/lib.rs', 'use napi::Env;'],
  ['crate/core/src/memory/view.rs', '#[napi]\npub fn open() {}'],
  ['crate/core/Cargo.toml', '[dependencies]\nnapi.workspace = true'],
])
staysGreen(tidy.napiOnlyInBinding, [
  ['crate/node/src/lib.rs', 'use napi_derive::napi;'],
  ['crate/node/Cargo.toml', 'napi.workspace = true'],
  ['crate/core/src/lib.rs', '//! No napi:: here.\nuse crate::sys;'],
])

goesRed(tidy.opensWithDoc, [
  ['crate/core/src/sys/mman.rs', 'use libc;\n//! Late.'],
  ['crate/core/src/sys/mman.rs', '// Not a doc comment.'],
  ['lib/raw/sysv.ts', "import { a } from './a.js'"],
  ['scripts/run.mjs', '#!/usr/bin/env node\nconst a = 1'],
])
staysGreen(tidy.opensWithDoc, [
  ['crate/core/src/sys/mman.rs', '//! Doc.\nuse libc;'],
  ['scripts/run.mjs', '#!/usr/bin/env node\n/** Doc. */\nconst a = 1'],
  ['docs/locks.md', '# Locks'],
])

goesRed(tidy.notTooLong, [['lib/raw/sysv.ts', 'a\n'.repeat(601)]])
staysGreen(tidy.notTooLong, [
  ['lib/raw/sysv.ts', 'a\n'.repeat(600)],
  ['package-lock.json', 'a\n'.repeat(601)],
])

goesRed(tidy.unsafeIsProved, [
  ['crate/core/src/sys/mman.rs', 'fn f() {\n    unsafe { g() }\n}'],
  ['crate/core/src/sys/mman.rs', '// SAFETY: far.\n\n\n\n\n\n\nlet a = unsafe { g() };'],
  ['crate/core/src/sys/mman.rs', 'unsafe impl Send for View {}'],
  ['crate/core/src/sys/mman.rs', 'let q = \'"\';\nunsafe { g() }; let r = \'"\';'],
])
staysGreen(tidy.unsafeIsProved, [
  ['crate/core/src/sys/mman.rs', '// SAFETY: near.\n\n\n\n\n\nlet a = unsafe { g() };'],
  ['crate/core/src/sys/mman.rs', '// unsafe { }\nlet s = "unsafe {";\nunsafe fn f<\'a>() {}'],
])

goesRed(tidy.napiCatchesPanics, [
  ['crate/node/src/posix.rs', '#[napi]\npub fn open() {}'],
  ['crate/node/src/posix.rs', '#[napi(js_name = "open")]\n#[must_use]\n/// Doc.\npub unsafe fn open() {}'],
  ['crate/node/src/posix.rs', 'impl A {\n  #[napi(\n    constructor\n  )]\n  pub fn new() -> Self {}\n}'],
])
staysGreen(tidy.napiCatchesPanics, [
  ['crate/node/src/posix.rs', '#[napi(getter, catch_unwind)]\npub fn size() {}'],
  ['crate/node/src/posix.rs', '#[napi]\npub struct A {\n  #[napi(readonly)]\n  pub size: u32,\n}\n#[napi]\nimpl A {}\n#[napi(object)]\npub struct B {}'],
])

goesRed(tidy.callbacksAreGuarded, [
  ['crate/node/src/view.rs', 'unsafe extern "C" fn finalize(env: napi_env) {\n    drop(env)\n}'],
  ['crate/node/src/view.rs', 'extern fn finalize() {}'],
])
staysGreen(tidy.callbacksAreGuarded, [
  ['crate/node/src/view.rs', 'unsafe extern "C" fn finalize(env: napi_env) {\n    guarded(|| drop(env))\n}'],
  ['crate/node/src/view.rs', 'type Finalize = unsafe extern "C" fn(napi_env);\nextern "C" {\n    fn open(a: i32) -> i32;\n}'],
  ['crate/core/src/sys/fault.rs', 'extern "C" fn on_signal() {}'],
])

// Written in pieces, so that this file does not break the rules it tests.
const npmRegistry = pieced('registry', '.npmjs.org')
const cargoRegistry = pieced('https://static', '.crates.io')
goesRed(tidy.noRegistryAddress, [
  ['package-lock.json', `"link": "https://${npmRegistry}/ava"`],
  ['package-lock.json', pieced('"resolved": ', '"http://mirror.local/ava.tgz"')],
  ['.npmrc', pieced('registry=', 'http://mirror.local/')],
  ['docs/build.md', `See ${cargoRegistry}/crates/nix.`],
])
staysGreen(tidy.noRegistryAddress, [
  ['Cargo.lock', `source = "registry+${cargoRegistry}"`],
  ['package-lock.json', '"node_modules/ava": { "version": "7.0.0" }'],
])

goesRed(tidy.everyTestRuns, [
  ['__test__/20.posix.test.ts', pieced('test.', "skip('a', (t) => t.pass())")],
  ['__test__/20.posix.test.ts', pieced('test.serial.', "only('a', (t) => t.pass())")],
  ['__test__/20.posix.test.ts', pieced('test.', "failing('a', (t) => t.fail())")],
  ['crate/core/src/sys/mman.rs', pieced('#[test]\n#[', 'ignore = "slow"]\nfn maps() {}')],
])
staysGreen(tidy.everyTestRuns, [
  ['__test__/20.posix.test.ts', "test.serial('only one', (t) => skip(t, 'no root'))"],
  ['crate/core/src/sys/mman.rs', '#[test]\nfn maps() {}'],
])

type Snippet = [path: string, text: string]

function goesRed(rule: tidy.Rule, snippets: Snippet[]): void {
  test(`red: ${rule.name}`, (t) => {
    for (const [path, text] of snippets) t.true(rule.check(path, text).length > 0, text)
  })
}

function staysGreen(rule: tidy.Rule, snippets: Snippet[]): void {
  test(`green: ${rule.name}`, (t) => {
    for (const [path, text] of snippets) t.deepEqual(rule.check(path, text), [], text)
  })
}

function pieced(...pieces: string[]): string {
  return pieces.join('')
}

/** All text files that are committed or would be, or why they cannot be listed. */
function repository(): { path: string; text: string }[] | string {
  try {
    const list = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], { encoding: 'utf8' })
    return [...new Set(list.split('\0'))]
      .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
      .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
      .filter(({ text }) => !text.includes('\0'))
  } catch (error) {
    return `git cannot list the files: ${(error as Error).message.split('\n')[0]}`
  }
}
