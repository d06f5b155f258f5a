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

/** @type {Entries} */
export const BUILT_ENTRIES = {
  migrate: [join(ROOT, 'dist', 'db', 'migrate.js')],
  model: [join(ROOT, 'dist', 'standin', 'main.js')],
  server: ['--enable-source-maps', join(ROOT, 'dist', 'server', 'main.js')],
  worker: ['--enable-source-maps', join(ROOT, 'dist', 'worker', 'main.js')],
}
