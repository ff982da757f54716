/**
 * Nobody loses an object because he is hard to see: other names, other threads, other users, a /proc that hides, no descriptor left to look with (the
 * scenarios are in `children/system-unseen.ts`).
 */
import test from 'ava'
import { compileC } from './support/c-program.js'
import { whyNotOther, whyNotPrivate } from './support/namespace.js'
import { survives } from './support/scenario.js'
import { skip } from './support/skip.js'

const whyNot = whyNotPrivate() ?? whyNotOther()
const namespaces = ['--pid', '--fork', '--kill-child', '--mount-proc']
/** What Docker leaves to root. */
const CAPABILITIES = 'chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,audit_write,setfcap'
const inContainer = ['setpriv', `--bounding-set=-all,+${CAPABILITIES.replaceAll(',', ',+')}`, '--inh-caps=-all']

function claim(title: string, scenario: string, prefix: string[] = []): void {
  test(title, async t => {
    if (whyNot !== undefined) return skip(t, whyNot)
    const holder = compileC(t, 'object-holder')
    if (holder === undefined) return
    await survives(t, 'system-unseen', scenario, { isAlone: true, runtime: 'unshare', execArgv: [...namespaces, ...prefix, process.execPath], args: [holder] })
  })
}

claim('who opened an object under another name is seen', 'other-names')
claim('a process whose first thread has ended is seen', 'leaderless')
claim('without a descriptor left to look with nothing is removed', 'exhausted')
claim('nothing outside /dev/shm is removed, and nothing for having the name that a cleaner needs', 'other-facts')
claim('root that may not look at others’ processes leaves their objects alone', 'powerless', inContainer)
claim('processes that /proc hides keep their objects', 'hidden')
