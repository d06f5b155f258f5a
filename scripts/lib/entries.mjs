import { join } from 'node:path'
import { ROOT } from './paths.mjs'

/**
 * The programs of ours that a supervisor runs: for each the arguments of `node`.
 *
 * @typedef {object} Entries
 * @property {readonly string[]} migrate
 * @property {readonly string[]} model
 * @property {readonly string[]} server
 * @property {readonly string[]} worker
 */

/**
 * V8 sizes its heap by the machine's memory and collects late on a large one. These bounds keep most of what it would
 * leave lying: a worker with 50 tasks at once stays near 450 MiB instead of 800. Live objects are 110 MiB of it. Source
 * maps would hold another 20 MiB a process; what is built has the sources' names and layout.
 */
const HEAP = {
  server: ['--max-old-space-size=1024', '--max-semi-space-size=4'],
  worker: ['--max-old-space-size=1024', '--max-semi-space-size=8'],
}

/** @type {Entries} */
export const BUILT_ENTRIES = {
  migrate: [join(ROOT, 'dist', 'migrate', 'main.js')],
  model: [join(ROOT, 'dist', 'standin', 'main.js')],
  server: [...HEAP.server, join(ROOT, 'dist', 'server', 'main.js')],
  worker: [...HEAP.worker, join(ROOT, 'dist', 'worker', 'main.js')],
}
