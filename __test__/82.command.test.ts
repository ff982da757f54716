/**
 * The command `shmem`, verb by verb, as a user runs it: what it prints in a pipe and on a terminal, its JSON against docs/cli.schema.json, its exit codes.
 */
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { closeSharedStage, command, complaintsAbout, openShell, openStage, sharedStage, whyNoStage, type RunOptions, type Shell } from './support/command.js'
import type { Ended } from './support/example-room.js'
import { asOther, whyNotOther } from './support/namespace.js'
import { skip } from './support/skip.js'

type Test = ExecutionContext<unknown>

interface Facts {
  kind: string
  name: string
  key?: number
  id?: number
  sizeBytes: number
  attached?: number
  outcome?: string
  users: { pid: number; name: string }[]
}

/** Everything but memfds, which are anybody's on this machine. */
const onStage = [
  'posix /frames', 'posix /left-over', 'posix /odd \u001b[31m\u202ename', 'posix /orders', 'posix-semaphore /gate', 'sysv 0x0000002a', 'sysv-semaphore 0x0000002b'
]

test.after.always(closeSharedStage)

test.serial('ls lists what ipcs and /dev/shm list, and memfds, with sizes and users', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  const { objects } = await json<{ objects: Facts[] }>(t, shell, ['ls'])
  t.deepEqual(namesOf(objects), onStage)
  t.true(objects.some(({ kind, name, sizeBytes }) => kind === 'memfd' && name === 'memfd:scratch' && sizeBytes === 8192))

  const ipcs = (await shell.room.run(['ipcs', '-m'])).stdout.split('\n').map(line => line.split(/\s+/u)).find(([key]) => key === '0x0000002a')
  const sysv = objects.find(({ kind }) => kind === 'sysv')
  t.deepEqual([ipcs?.[1], ipcs?.[4], ipcs?.[5]], [String(sysv?.id), String(sysv?.sizeBytes), String(sysv?.attached)])
  const sets = (await shell.room.run(['ipcs', '-s'])).stdout
  t.true(sets.includes(` ${objects.find(({ kind }) => kind === 'sysv-semaphore')?.id} `), sets)
  const files = (await shell.room.run(['ls', '-A', '-N', '/dev/shm'])).stdout.trimEnd().split('\n').toSorted()
  const posix = objects.filter(({ kind }) => kind.startsWith('posix')).map(({ kind, name }) => `${kind === 'posix' ? '' : 'sem.'}${name.slice(1)}`)
  t.deepEqual(posix.toSorted(), files)

  const orders = objects.find(({ name }) => name === '/orders')
  t.deepEqual(orders?.users.map(({ name }) => name), ['node'], 'who has it mapped is named')
  const few = await json<{ objects: Facts[] }>(t, shell, ['ls', '--kind', 'posix', '--no-users', '--mine'])
  t.deepEqual([...new Set(few.objects.map(({ kind }) => kind))], ['posix'])
  t.deepEqual(few.objects.flatMap(({ users }) => users), [])
})

test.serial('as text ls fits 80 columns, has no colours in a pipe, and shows odd names escaped', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  await each([['ls'], ['stat', 'orders'], ['members', 'orders'], ['dump', 'orders'], ['limits'], ['doctor'], ['clean'], ['top', '--once', '--interval', '200']], async words => {
    const { stdout, stderr } = await shell.shmem(words, { columns: 80 })
    t.is(stderr, '', words.join(' '))
    t.deepEqual(stdout.split('\n').filter(line => line.length > 80), [], words.join(' '))
    t.false(/\p{C}/u.test(stdout.replaceAll('\n', '')), words.join(' '))
    t.true(stdout.length > 20, words.join(' '))
  })
  const { stdout } = await shell.shmem(['ls'])
  t.true(stdout.includes('/odd \\x1b[31m\\u{202e}name'), stdout)
  t.regex(stdout, /^posix +\/orders .* \d+ node/mu, 'without columns nothing is cut')
  const odd = await shell.shmem(['stat', '/odd \\x1b[31m\\u{202e}name'])
  t.is(odd.code, 0, 'what ls shows can be given back')
})

test.serial('colours and questions are for terminals, and colours not for who minds', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openStage(t)
  const escape = '\u001b['
  const [colorful, plain, declined] = await Promise.all([
    shell.onTerminal(['ls']), shell.onTerminal(['ls'], { env: { NO_COLOR: '1' } }), shell.onTerminal(['rm', 'frames'], { typed: 'n\n' })
  ])
  t.true(colorful.stdout.includes(`${escape}1m`))
  t.false(plain.stdout.includes(escape))
  t.regex(declined.stdout, /Remove it\? \[y\/N\]/u)
  t.is(declined.code, 1)
  t.is((await shell.shmem(['stat', 'frames'])).code, 0, 'it is still there')
  const silent = await shell.onTerminal(['rm', 'frames', '--json'])
  t.deepEqual([silent.code, JSON.parse(silent.stdout).objects[0].outcome], [1, 'kept'], 'who wants JSON is not asked')
  const agreed = await shell.onTerminal(['rm', 'frames'], { typed: 'y\n' })
  t.is(agreed.code, 0, agreed.stdout)
  t.regex(agreed.stdout, /removed posix \/frames/u)
  t.is((await shell.shmem(['stat', 'frames'])).code, 1)
})

test.serial('stat tells what is in a managed segment, a set and a semaphore; a word that means two things means both', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  const inside = (await json<{ objects: { inside: Inside }[] }>(t, shell, ['stat', 'orders'])).objects[0]?.inside
  t.deepEqual(inside?.objects.map(({ name, kind }) => `${kind} ${name}`), [
    'ring ticks', 'map cache', 'struct state', 'mutex book', 'semaphore seats', 'event open', 'rwlock table'
  ])
  t.deepEqual(inside?.members.map(({ name, alive, holds }) => [name, alive, holds]).toSorted(), [['exchange', true, ['book']], ['reporter', false, ['table']]])
  const counters = (name: string) => inside?.objects.find(object => object.name === name)?.counters ?? {}
  t.like(counters('seats'), { permits: 3, held: 1 })
  t.like(counters('open'), { set: 1 })
  t.true((counters('ticks')['sent'] ?? 0) > 0)

  const values = async (word: string): Promise<unknown> => (await json<{ objects: { values?: number[] }[] }>(t, shell, ['stat', word])).objects[0]?.values
  t.deepEqual(await values('0x2b'), [1, 0])
  t.deepEqual(await values('gate'), [2])
  const { objects } = await json<{ objects: Facts[] }>(t, shell, ['stat', '0x2a'])
  const byId = await json<{ objects: Facts[] }>(t, shell, ['stat', String(objects[0]?.id)])
  t.true(namesOf(byId.objects).includes('sysv 0x0000002a'))
})

interface Inside {
  members: { name: string; alive: boolean; holds: string[] }[]
  objects: { name: string; kind: string; counters: Record<string, number> }[]
}

test.serial('members tells the living from the dead, and what each holds', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  const { stdout, code } = await shell.shmem(['members', 'orders'])
  t.is(code, 0)
  t.regex(stdout, /^ *\d+ +\d+ +exchange +alive .* book$/mu)
  t.regex(stdout, /^ *\d+ +\d+ +reporter +dead .* table$/mu)
  t.like(await json(t, shell, ['members', '/orders']), { name: '/orders' })
  const foreign = await shell.shmem(['members', 'frames'])
  t.is(foreign.code, 1)
  t.regex(foreign.stderr, /^shmem: .*managed segment/u)
})

test.serial('dump names header, members, entries and objects beside their bytes, and takes any range', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  const { ranges } = await json<{ ranges: { label: string; hex: string }[] }>(t, shell, ['dump', 'orders'])
  const labels = ranges.map(({ label }) => label.replace(/\d+/u, 'N'))
  for (const label of ['header', 'member N', 'member N †', 'entry N', 'ring ticks', 'mutex book']) t.true(labels.includes(label), `${label}: ${labels}`)
  t.true(ranges[0]?.hex.startsWith(Buffer.from('SHMEM').toString('hex')))
  const text = await shell.shmem(['dump', 'orders'])
  t.regex(text.stdout, /^00000000 {2}53484d45 4d0d0a1a \w{8} \w{8} {2}SHMEM\S+ {2}header$/mu)
  t.regex(text.stdout, /mutex book$/mu)

  const raw = await shell.shmem(['dump', 'frames', '--offset', '4', '--length', '12'])
  t.is(raw.stdout, '00000004  66697273 74206672 616d6500           first frame.\n65536 bytes in all\n')
  const zeroes = await shell.shmem(['dump', '0x2a', '--offset', '0x1000', '--length', '1KiB'])
  t.is(zeroes.stdout, '00001000  00000000 00000000 00000000 00000000  ................\n*\n10000 bytes in all\n')
  const end = await json<{ ranges: unknown[] }>(t, shell, ['dump', '/odd \u001b[31m\u202ename', '--offset', '96', '--length', '64'])
  t.deepEqual(end.ranges, [{ offset: 96, bytes: 4, hex: '00000000' }], 'no further than the object')
  t.is((await shell.shmem(['dump', '0x2a', '--offset', '10000'])).code, 2)
  t.is((await shell.shmem(['dump', 'frames', '--offset', 'much'])).code, 2)
  t.is((await shell.shmem(['dump', 'gate', '--kind', 'posix-semaphore'])).code, 2)
})

test.serial('dump makes no page of what it looks at, and takes what is larger than a buffer or than a stack', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openShell(t)
  await shell.room.run(['sh', '-c', 'cd /dev/shm; truncate -s 5G holes; : > empty; head -c 3M /dev/urandom > noise'])
  const holes = await shell.shmem(['dump', 'holes', '--offset', '4GiB', '--length', '1MiB'])
  t.is(holes.stdout, '100000000  00000000 00000000 00000000 00000000  ................\n*\n5368709120 bytes in all\n')
  t.is((await shell.room.run(['stat', '-c', '%b', '/dev/shm/holes'])).stdout, '0\n')
  const noise = await shell.shmem(['dump', 'noise', '--length', '3MiB'])
  t.deepEqual([noise.code, noise.stderr, noise.stdout.split('\n').length], [0, '', 3 * 2 ** 16 + 2])
  t.is((await shell.shmem(['dump', 'empty'])).stdout, '0 bytes in all\n')
  t.is((await shell.shmem(['dump', 'holes', '--length', '5GiB', '--json'])).code, 2)
})

test.serial('what could be another object is asked back for, with names escaped once', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openShell(t)
  // Anybody can give an object the name that is an identifier of somebody else's.
  await shell.room.run(['sh', '-c', 'ipcmk -M 4096; cd /dev/shm; : > "$(ipcs -m | awk \'/^0x/ { print $2 }\')"; name=$(printf "odd\\033"); : > "$name"; : > "sem.$name"'])
  const { objects } = await json<{ objects: Facts[] }>(t, shell, ['ls', '--kind', 'sysv'])
  const id = String(objects[0]?.id)
  await each([['rm', '--yes', id], ['rm', '--yes', '/odd\\x1b']], async words => {
    const { code, stdout, stderr } = await shell.shmem(words)
    t.deepEqual([code, stdout], [2, ''], words.join(' '))
    const choices = words.includes(id) ? [`posix /${id}`, `sysv ${objects[0]?.name} (id ${id})`] : ['posix /odd\\x1b', 'posix-semaphore /odd\\x1b']
    for (const choice of choices) t.true(stderr.includes(choice), `${choice}: ${stderr}`)
  })
  t.is((await there(t, shell)).length, 4)
})

test.serial('names of wide signs are whole in a pipe, and fit a terminal', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openShell(t)
  const name = '宽'.repeat(40)
  await shell.room.run(['sh', '-c', `: > /dev/shm/${name}`])
  const list = (options: RunOptions): Promise<Ended> => shell.shmem(['ls', '--kind', 'posix', '--no-users'], options)
  t.regex((await list({})).stdout, new RegExp(`^posix +/${name} +\\S`, 'mu'))
  const [, row = ''] = (await list({ columns: 80 })).stdout.split('\n')
  t.is(row.replaceAll('宽', '..').length, 80, row)
})

test.serial('rm removes what is named, not the rest, and only with a yes', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openStage(t)
  const asked = await shell.shmem(['rm', 'frames'])
  t.is(asked.code, 1)
  t.regex(asked.stdout, /nothing removed: nobody can be asked here; say --yes/u)
  const { id } = (await json<{ objects: Facts[] }>(t, shell, ['stat', '0x2b'])).objects[0] ?? {}
  const removed = await json<{ objects: Facts[] }>(t, shell, ['rm', '--yes', 'frames', '0x2a', String(id), '/gate', '--kind', 'posix'], 1)
  t.deepEqual(namesOf(removed.objects), ['posix /frames'], 'of one kind')
  const others = await json<{ objects: Facts[] }>(t, shell, ['rm', '--yes', '0x2a', '0x2b', 'gate'])
  t.deepEqual(others.objects.map(({ outcome }) => outcome), ['removed', 'removed', 'removed'])
  // A System V segment without a key is there until its last detach, as ipcs shows it too.
  t.deepEqual(await there(t, shell), [...onStage.filter(name => name.startsWith('posix /') && name !== 'posix /frames'), 'sysv 0x00000000'])
  const missing = await shell.shmem(['rm', '-y', 'frames', 'left-over'])
  t.deepEqual([missing.code, missing.stdout, missing.stderr], [1, 'removed posix /left-over\n', 'shmem: no object is called frames\n'])
  t.is((await shell.shmem(['rm', '--mine', '--yes'])).code, 0)
  t.deepEqual(await there(t, shell), ['sysv 0x00000000'])
})

test.serial('clean removes what a killed process left, and nothing that is used', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openStage(t)
  const listed = await shell.shmem(['clean'])
  t.is(listed.code, 1)
  t.regex(listed.stdout, /^posix +\/left-over .*\nnothing removed: nobody can be asked here; say --yes to remove 1 object\n/mu)
  const cleaned = await json<{ orphans: (Facts & { reason: string })[] }>(t, shell, ['clean', '--yes'])
  t.deepEqual(cleaned.orphans.map(({ name, outcome }) => [name, outcome]), [['/left-over', 'removed']])
  t.true((cleaned.orphans[0]?.reason ?? '').length > 10)
  t.deepEqual(await there(t, shell), onStage.filter(name => name !== 'posix /left-over'))
  const again = await shell.shmem(['clean'])
  t.deepEqual([again.code, again.stdout], [0, 'nothing to clean\n'])
})

test.serial('limits and doctor speak of this machine', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openShell(t)
  const { limits } = await json<{ limits: { name: string }[] }>(t, shell, ['limits'])
  const text = await shell.shmem(['limits'])
  for (const { name } of limits) t.true(text.stdout.includes(name), name)
  t.true(limits.length > 5)
  const doctor = await shell.shmem(['doctor', '--json'])
  const { findings } = JSON.parse(doctor.stdout) as { findings: { level: string; subject: string }[] }
  t.deepEqual(complaintsAbout('doctor', { findings }), [])
  t.is(doctor.code, findings.some(({ level }) => level === 'warning' || level === 'problem') ? 1 : 0)
  // A managed segment that nobody uses, as far as its first bytes tell.
  await shell.room.run(['sh', '-c', 'printf "SHMEM\\r\\n\\032" > "/dev/shm/$(printf "left\\033[31m")"'])
  const told = await shell.shmem(['doctor'])
  t.regex(told.stdout, /orphans: 1 of .*\/left\\x1b\[31m/u)
  for (const { subject } of findings) t.true(told.stdout.includes(` ${subject}: `), subject)
})

test.serial('top shows the rates of rings and maps from outside, and whose lock it is', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  const lines = (await shell.shmem(['top', '--json', '--iterations', '2', '--interval', '300'])).stdout.trimEnd().split('\n')
  t.is(lines.length, 2)
  for (const line of lines) {
    const look = JSON.parse(line) as { segments: { name: string; objects: { name: string; rates: { what: string; perSecond: number }[] }[] }[] }
    t.deepEqual(complaintsAbout('top', look), [])
    t.deepEqual(look.segments.map(({ name }) => name), ['/orders'])
    const rate = (name: string) => look.segments[0]?.objects.find(object => object.name === name)?.rates[0]
    t.is(rate('ticks')?.what, 'sent')
    t.true((rate('ticks')?.perSecond ?? 0) > 0)
    t.true((rate('cache')?.perSecond ?? 0) > 0)
    t.is(rate('state'), undefined)
    t.is(rate('seats')?.perSecond, 0)
  }
  const { stdout, code } = await shell.shmem(['top', 'orders', '--once', '--interval', '300'], { columns: 80 })
  t.is(code, 0)
  t.regex(stdout, /^orders {2}256 KiB, 1 member, 1 dead/mu)
  t.regex(stdout, /^ {2}ticks +ring +[\d.]+k? sent .* 1 of 256/mu)
  t.regex(stdout, /^ {2}book +mutex +0 waits +held by \d+/mu)
  t.is((await shell.shmem(['members', 'orders'])).stdout.split('\n').length, 4, 'who looked on was no member')
})

test.serial('top goes over to the segment that takes the name', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openStage(t)
  const child = shell.room.start([process.execPath, command, 'top', 'orders', '--json', '--interval', '100'])
  const rates: (number | undefined)[] = []
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const look = JSON.parse(line) as { segments: { objects: { rates: { perSecond: number }[] }[] }[] }
    rates.push(look.segments[0]?.objects[0]?.rates[0]?.perSecond)
    // The copy has the same objects, and nobody sends there.
    if (rates.length === 1) await shell.room.run(['sh', '-c', 'cd /dev/shm; cp orders copy; mv copy orders'])
    if (rates.length === 20 || (rates.length > 1 && rates.at(-1) === 0)) break
  }
  child.kill()
  t.true((rates[0] ?? 0) > 0, String(rates))
  t.is(rates.at(-1), 0, String(rates))
})

test.serial('top and ls --watch draw in place on a terminal, and give it back', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  await each([['top', '--interval', '200'], ['ls', '--watch', '--interval', '200']], async words => {
    const { stdout, code } = await shell.onTerminal(words, { typed: 'q', when: 'orders' })
    t.is(code, 0, words.join(' '))
    const [before, shown = '', after = ''] = stdout.split(/(?<=\[\?25l)|(?=.\[\?25h)/u)
    t.is(before, '\u001b[?1049h\u001b[?25l', 'another screen, without a cursor')
    t.true(shown.startsWith('\u001b[H') && shown.includes('orders'), shown)
    t.true(after.startsWith('\u001b[?25h\u001b[?1049l') && after.includes('orders'), 'what was seen last stays')
  })
  const dumb = await shell.onTerminal(['ls', '--watch', '--iterations', '1'], { env: { TERM: 'dumb' } })
  t.false(dumb.stdout.includes('\u001b'))
  const piped = await shell.shmem(['ls', '--watch', '--iterations', '2', '--interval', '10', '--kind', 'posix'])
  t.is(piped.stdout.split('\n\n').length, 2)
  t.is(piped.stdout.split('/orders').length, 3)
})

test.serial('completion knows every verb, its options, kinds and names', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await sharedStage()
  const help = (await shell.shmem(['--help'])).stdout
  t.deepEqual(help.split('\n').filter(line => line.length > 80), [])
  const verbs = [...help.matchAll(/^ {2}([a-z]+) [[<]/gmu)].map(([, verb]) => verb ?? '').toSorted()
  t.true(verbs.length >= 10)
  const [first = [], ...others] = await completed(shell, ['', 'l', 'clean --f', 'ls --kind posix', 'ls --kind=posix-', 'stat /o', 'rm frames or', 'stat memfd:scr'])
  t.deepEqual(first.filter(word => !word.startsWith('-')).toSorted(), verbs)
  // Bash itself has taken apart what stands before = and : there.
  t.deepEqual(others, [['ls', 'limits'], ['--foreign'], ['posix', 'posix-semaphore'], ['posix-semaphore'], ['/orders'], ['orders'], ['scratch']])
  const zsh = await shell.shmem(['completion', 'zsh'])
  t.is(zsh.code, 0)
  t.regex(zsh.stdout, /^#compdef shmem/u)
  t.true(zsh.stdout.includes(" '--kind=["))
  for (const verb of verbs) t.true(zsh.stdout.includes(`    '${verb}:`) && zsh.stdout.includes(`    ${verb}) _arguments `), verb)
  const checked = await shell.room.run(['sh', '-c', 'command -v zsh >/dev/null || exit 0; printf "%s" "$1" | zsh -n', 'sh', zsh.stdout])
  t.deepEqual([checked.code, checked.stderr], [0, ''])
  t.is((await shell.shmem(['completion', 'fish'])).code, 2)
})

test.serial('wrong usage is 2, what is not there is 1, both said on standard error', async t => {
  if (whyNoStage !== undefined) return skip(t, whyNoStage)
  const shell = await openShell(t)
  await each([[], ['frob'], ['ls', '--kind', 'x'], ['top', '--interval', '0'], ['rm', 'x', '--mine'], ['dump', 'x', '--length', '1e3']], async words => {
    const { code, stdout, stderr } = await shell.shmem(words)
    t.deepEqual([code, stdout], [2, ''], words.join(' '))
    t.true(stderr.length > 10, words.join(' '))
  })
  await each([['stat', 'nix'], ['members', 'nix'], ['dump', './nix'], ['rm', 'nix', '--yes'], ['top', 'nix', '--once']], async words => {
    const { code, stdout, stderr } = await shell.shmem(words)
    t.deepEqual([code, stdout], [1, ''], words.join(' '))
    t.regex(stderr, /^shmem: .*\bnix\b/u)
  })
  await each([['stat', 'nix'], ['members', 'nix']], async words => {
    const { code, stderr } = await shell.shmem([...words, '--json'])
    t.is(code, 1)
    t.deepEqual(complaintsAbout('error', JSON.parse(stderr)), [], stderr)
  })
  const full = await shell.room.run(['sh', '-c', '"$0" "$1" limits > /dev/full', process.execPath, command])
  t.deepEqual([full.code, full.stderr], [1, 'shmem: ENOSPC: no space left on device, write\n'])
  await each([['--help'], ['--version'], ['ls', '--kind', 'posix'], ['clean'], ['top', '--once', '--interval', '1'], ['rm', '--mine', '--yes', '--kind', 'posix']], async words => {
    t.is((await shell.shmem(words)).code, 0, words.join(' '))
  })
})

test.serial('nobody sees what may be seen, and is told what may not', async t => {
  if (whyNoStage !== undefined || whyNotOther() !== undefined) return skip(t, whyNoStage ?? whyNotOther() ?? '')
  const shell = await sharedStage()
  const other = { prefix: asOther() }
  const seen = await shell.shmem(['ls', '--json'], other)
  const { objects } = JSON.parse(seen.stdout) as { objects: (Facts & { usersComplete: boolean })[] }
  t.deepEqual(complaintsAbout('ls', { objects }), [])
  t.deepEqual(namesOf(objects), onStage)
  t.false(objects.find(({ name }) => name === '/orders')?.usersComplete)
  const refused = await shell.shmem(['members', 'orders'], other)
  t.is(refused.code, 1)
  t.regex(refused.stderr, /EACCES/u)
  const removed = await shell.shmem(['rm', 'frames', '--yes'], other)
  t.is(removed.code, 1)
  t.regex(removed.stderr, /EACCES|EPERM/u)
  t.deepEqual(await there(t, shell), onStage)
})

/** A verb's JSON, which is as docs/cli.schema.json says. */
async function json<T>(t: Test, shell: Shell, words: string[], code = 0): Promise<T> {
  const ended: Ended = await shell.shmem([...words, '--json'])
  t.is(ended.code, code, `${words.join(' ')}: ${ended.stderr}`)
  const value = JSON.parse(ended.stdout) as T
  t.deepEqual(complaintsAbout(words[0] ?? '', value), [], words.join(' '))
  return value
}

/** Two at a time are as quick as this machine can be. */
async function each(all: string[][], check: (words: string[]) => Promise<void>): Promise<void> {
  const waiting = [...all]
  const work = async (): Promise<void> => {
    for (let words = waiting.shift(); words !== undefined; words = waiting.shift()) await check(words)
  }
  await Promise.all([work(), work()])
}

async function there(t: Test, shell: Shell): Promise<string[]> {
  return namesOf((await json<{ objects: Facts[] }>(t, shell, ['ls', '--no-users'])).objects)
}

function namesOf(objects: Facts[]): string[] {
  return objects.filter(({ kind }) => kind !== 'memfd').map(({ kind, name }) => `${kind} ${name}`).toSorted()
}

/** What bash offers behind each of these lines. */
async function completed(shell: Shell, lines: string[]): Promise<string[][]> {
  const script = `
    shmem() { "$0" "$BIN" "$@"; }
    source <(shmem completion bash)
    for COMP_LINE in "$@"; do
      COMP_LINE="shmem $COMP_LINE"; COMP_POINT=\${#COMP_LINE}; COMP_WORDBREAKS=' =:'
      COMP_WORDS=(\${COMP_LINE}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      if [[ "$COMP_LINE" == *' ' ]]; then COMP_CWORD=$((COMP_CWORD + 1)); fi
      _shmem; printf '%s ' "\${COMPREPLY[@]}"; echo
    done`
  const { stdout } = await shell.room.run(['env', `BIN=${command}`, 'bash', '-c', script, process.execPath, ...lines])
  return stdout.trimEnd().split('\n').map(line => line.split(' ').filter(word => word !== ''))
}
