import { readReadiness } from './readiness.mjs'
import { isPartAlive, readRunningState } from './state.mjs'
import { typed } from './typed.mjs'

/**
 * Writes what runs and how each part is to standard output.
 *
 * @param {{ home: string, json: boolean }} options
 * @returns {Promise<number>} exit code: 0 when all is well
 */
export async function showStatus({ home, json }) {
  const state = readRunningState(home)
  if (state === undefined) {
    process.stdout.write(json ? '{"running":false}\n' : `Keelson is not running here; "${typed('start')}" starts it.\n`)
    return 1
  }
  const names = /** @type {import('./state.mjs').PartName[]} */ (Object.keys(state.processes))
  const alive = Object.fromEntries(names.map((name) => [name, isPartAlive(state, name)]))
  const readiness = await readReadiness(state)
  const { sandbox } = readiness
  const isWell = readiness.ready && sandbox?.ok !== false && Object.values(alive).every(Boolean)
  if (json) {
    process.stdout.write(`${JSON.stringify({ running: true, ...state, alive, readiness }, null, 2)}\n`)
    return isWell ? 0 : 1
  }
  const lines = [
    `Keelson runs at ${state.url} since ${state.startedAt}`,
    ...names.map(
      (name) =>
        `  ${name.padEnd(12)}process ${state.processes[name]}${alive[name] ? '' : '  IS GONE, being started again'}`,
    ),
    `  model       ${state.model.kind === 'scripted' ? 'scripted demonstration' : state.model.name} at ${state.model.baseUrl}`,
    `  temporal    ${state.temporal.webUrl ?? state.temporal.address ?? ''} (namespace ${state.temporal.namespace})`,
    `  ready       ${readiness.ready ? 'yes' : 'NO'}`,
    ...Object.entries(readiness.parts).map(([name, text]) => `    ${name.padEnd(10)}${text}`),
    ...(sandbox === undefined
      ? []
      : [`  sandbox     ${sandbox.kind}${sandbox.ok ? '' : `  REFUSES TASKS: ${sandbox.detail}`}`]),
    ...(sandbox?.protections ?? []).map(
      ({ name, holds, by, detail }) => `    ${name.padEnd(16)}${holds ? by : `DOES NOT HOLD: ${detail}`}`,
    ),
    `  data        ${home} (logs in ${home}/logs, the API token in ${home}/state.json)`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  return isWell ? 0 : 1
}
