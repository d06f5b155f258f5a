import { fileURLToPath } from 'node:url'

const path = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url))

/** Small programs in place of ours: they answer, write the line that is waited for, and end on SIGTERM. */
export const STAND_INS = {
  migrate: [path('./migrate.mjs')],
  model: [path('./model.mjs')],
  server: [path('./server.mjs')],
  worker: [path('./worker.mjs')],
}
