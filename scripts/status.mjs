/** `npm run status`: what runs and how each part is; `--json` for programs. Exit code 0 when all is well, 1 otherwise. */
import './lib/node-version.mjs'
import { homeOf, readSettings } from './lib/paths.mjs'
import { readReadiness } from './lib/readiness.mjs'
import { runScript } from './lib/run-script.mjs'
import { isPartAlive, readRunningState } from './lib/state.mjs'

await runScript(async () => {
  const home = homeOf(readSettings(process.env))
  const state = readRunningState(home)
  const asJson = process.argv.includes('--json')
  if (state === undefined) {
    process.stdout.write(asJson ? '{"running":false}\n' : 'Keelson is not running here; "npm start" starts it.\n')
    return 1
  }
  const names = /** @type {import('./lib/state.mjs').PartName[]} */ (Object.keys(state.processes))
  const alive = Object.fromEntries(names.map((name) => [name, isPartAlive(state, name)]))
  const readiness = await readReadiness(state)
  const { sandbox } = readiness
  const isWell = readiness.ready && sandbox?.ok !== false && Object.values(alive).every(Boolean)
  if (asJson) {
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
})
