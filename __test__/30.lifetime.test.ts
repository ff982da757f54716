/**
 * No view outlives its memory, and no order of closing, stealing, collecting and ending crashes. Each claim is played in a child
 * process (children/lifetime.ts), whose ending is asserted.
 */
import test from 'ava'
import { scenario, survives } from './support/scenario.js'

const claims: Record<string, string> = {
  'after close every view is empty, reads undefined, and close is idempotent': 'views-are-empty-after-close',
  'closing from user code inside a builtin leaves an empty view': 'close-inside-builtins',
  'every method after close throws ERR_SHM_CLOSED': 'use-after-close',
  'using closes at the end of the block, also after a throw': 'using-closes',
  'memory that transfer took stays usable after close': 'stolen-memory-lives',
  'resize with a stolen buffer leaves old and new memory usable': 'resize-with-stolen-buffer',
  'refresh empties the old views and maps the new size': 'refresh-with-views',
  'a buffer outlives its collected segment': 'segment-collected-first',
  'a segment outlives its collected buffers': 'buffer-collected-first',
  'mappings inside mappings close in any order': 'raw-mapping-inside-mapping',
  'more closed segments than the quarantine keeps leave their views empty': 'quarantine-overflow',
  'no method of a segment leaves a view over memory that is gone': 'internals-do-not-revoke',
  'an object that grew beyond one buffer is mapped, and makes none': 'grown-beyond-a-buffer',
  'a replaced array iterator is handed no native segment': 'iterator-steals-nothing',
  'process.exit in nested calls with everything open ends with its code': 'exit-in-nested-calls',
  'process.exit while workers write ends with its code': 'exit-with-busy-workers'
}

for (const [claim, name] of Object.entries(claims)) {
  test(claim, async t => {
    await survives(t, 'lifetime', name, { execArgv: ['--expose-gc'] })
  })
}

test('an uncaught exception with everything open ends with 1, not with a signal', async t => {
  const { code, signal, stderr } = await scenario(t, 'lifetime', 'uncaught-exception')
  t.deepEqual({ code, signal }, { code: 1, signal: null })
  t.regex(stderr, /uncaught with 2 lists open/)
})
