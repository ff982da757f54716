/**
 * Two versions of the package that meet in a segment tell each other apart by its layout version alone. So whoever changes how anything lies in
 * a segment raises `LAYOUT_VERSION` (crate/core/src/managed/header.rs), and records here what the new one stands for.
 */
import { createHash } from 'node:crypto'
import test from 'ava'
import { native } from '../lib/native.js'

const RECORDED = { layoutVersion: 2, sha256: 'e02b46e69c45df66648331aa51c03f420d9b19ac7389def12970dc5e41255ef9' }

test('the layouts are those that their version stands for', t => {
  const layouts = [native.managedLayout(), native.ringLayout(), native.ringManyLayout(), native.feedLayout(), native.mapLayout(), native.listLayout()]
  const sorted = layouts.map(layout => Object.entries(layout).toSorted(([left], [right]) => (left < right ? -1 : 1)))
  const sha256 = createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
  t.deepEqual({ layoutVersion: native.managedLayout().layoutVersion, sha256 }, RECORDED)
})
