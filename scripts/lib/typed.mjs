import { basename } from 'node:path'

/** Whether a person typed `keelson …` rather than `npm run …`, so that hints name what works for them. */
const isKeelson = basename(process.argv[1] ?? '') === 'keelson'

/**
 * How a command is typed here, for sentences that say what to do next.
 *
 * @param {'start' | 'stop' | 'status' | 'chat'} command
 * @returns {string} such as `keelson stop` or `npm run stop`
 */
export function typed(command) {
  if (isKeelson) return `keelson ${command}`
  if (command === 'start') return 'npm start'
  return command === 'chat' ? 'npm run chat --' : `npm run ${command}`
}
