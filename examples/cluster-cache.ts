/**
 * The cache of a cluster: three workers answer HTTP on one port, and what one of them has computed, all of them know. One is killed with SIGKILL in the middle of
 * a write, and the others go on at once.
 *
 * To ask for a page goes to whichever worker is next. Without a cache in common each would compute each page for itself, and a kill would empty a third of what is known.
 *
 *     npm run build && node dist/examples/cluster-cache.js
 *
 * A run that was killed leaves /dev/shm/shmem-cluster-cache-<its pid> behind.
 */
import cluster, { type Worker } from 'node:cluster'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { ManagedSegment, type SharedMap } from 'shmem'

const WORKERS = 3

interface Page {
  path: string
  text: string
  /** Which worker computed it. */
  by: number
}

interface Answer {
  from: 'the cache' | 'a computation'
  worker: number
  page: Page
}

async function primary(name: string): Promise<void> {
  const mem = ManagedSegment.create(name, { size: '8MiB' })
  try {
    const cache = openCache(mem)
    cluster.setupPrimary({ args: [name] })
    const workers = Array.from({ length: WORKERS }, () => cluster.fork())
    const [port = 0] = await Promise.all(workers.map(portOf))
    const first = await ask(port, '/page/1')
    console.log(`the first request for a page: from ${first.from}`)
    report(await askOften(port, '/page/1'))

    const victim = workers[1] as Worker
    victim.send('fill the cache for ever')
    while (cache.size < 100) await new Promise(resolve => setTimeout(resolve, 1))
    victim.process.kill('SIGKILL')
    await once(victim, 'exit')
    console.log('a worker is killed in the middle of filling the cache')
    report(await askOften(port, '/page/1'))
    const second = await ask(port, '/page/2')
    console.log(`a page that nobody asked for yet: from ${second.from}, then from ${(await ask(port, '/page/2')).from}`)

    let torn = 0
    let whole = 0
    for (const [key, page] of cache) if (String(key) === page.path && page.text === compute(page.path)) whole += 1
    else torn += 1
    console.log(`what the dead one left: ${whole >= 100 ? 'over a hundred' : whole} pages whole, ${torn} torn`)
  } finally {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.kill()
    mem.close()
    mem.remove()
  }
}

function answerRequests(name: string): void {
  const id = cluster.worker?.id ?? 0
  const cache = openCache(ManagedSegment.open(name))
  const server = createServer(({ url: path = '/' }, response) => {
    let page = cache.get(path)
    const from = page === undefined ? 'a computation' : 'the cache'
    if (page === undefined) {
      page = { path, text: compute(path), by: id }
      cache.set(path, page)
    }
    // Each request a connection, so that each goes to the next worker.
    response.setHeader('connection', 'close')
    response.end(JSON.stringify({ from, worker: id, page } satisfies Answer))
  })
  server.listen(0, '127.0.0.1')
  process.on('message', () => {
    for (let number = 0; ; number = (number + 1) % 1000) {
      const path = `/filled/${number}`
      cache.set(path, { path, text: compute(path), by: id })
    }
  })
}

/** The same options in every process: one that says others has an error. */
function openCache(mem: ManagedSegment): SharedMap<Page> {
  return mem.map<Page>('pages', { memory: '4MiB', values: 'structured', ttlMs: 60_000 })
}

/** What takes long. */
function compute(path: string): string {
  return createHash('sha256').update(path).digest('hex').repeat(4)
}

async function portOf(worker: Worker): Promise<number> {
  const [{ port }] = (await once(worker, 'listening')) as [{ port: number }]
  return port
}

async function ask(port: number, path: string): Promise<Answer> {
  const [response] = (await once(get({ port, path, agent: false }), 'response')) as [IncomingMessage]
  return (await json(response)) as Answer
}

async function askOften(port: number, path: string): Promise<Answer[]> {
  const answers = []
  for (let request = 0; request < 4 * WORKERS; request += 1) answers.push(await ask(port, path))
  return answers
}

function report(answers: Answer[]): void {
  const hits = answers.filter(({ from }) => from === 'the cache').length
  const workers = new Set(answers.map(answer => answer.worker)).size
  console.log(`${answers.length} requests for it: ${hits} from the cache, answered by ${workers} workers`)
}

const [, , name = ''] = process.argv
if (cluster.isPrimary) await primary(`shmem-cluster-cache-${process.pid}`)
else answerRequests(name)
