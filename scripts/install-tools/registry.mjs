/**
 * A registry for one run of scripts/test-install.mjs, which forks this: verdaccio on a free port of 127.0.0.1, with its storage in
 * the folder that is given, and with no other registry behind it. Whoever knows the address may publish. It ends with its parent,
 * however that ends.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runServer } from 'verdaccio'

const folder = process.argv[2]
const storage = join(folder, 'storage')
mkdirSync(storage, { recursive: true })
// Of a path, not as an object: verdaccio writes its secret beside it.
const path = join(folder, 'config.json')
const configuration = {
  storage,
  auth: { htpasswd: { file: join(folder, 'htpasswd') } },
  uplinks: {},
  packages: { '**': { access: '$all', publish: '$authenticated' } },
  log: { type: 'stdout', format: 'pretty', level: 'error' },
  web: { enable: false },
  max_body_size: '50mb',
}
writeFileSync(path, JSON.stringify(configuration))

process.on('disconnect', () => process.exit())
const server = await runServer(path)
server.listen(0, '127.0.0.1', () => process.send(server.address().port))
