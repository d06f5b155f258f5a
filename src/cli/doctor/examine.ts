import type { Config } from '../../settings/config-groups.ts'
import { checkHome } from './check-home.ts'
import { checkModel, type ModelServer } from './check-model.ts'
import { checkRegistries } from './check-registries.ts'
import { checkSandbox } from './check-sandbox.ts'
import { checkSettings } from './check-settings.ts'
import { checkPostgres, checkRedis, checkTemporal } from './check-stores.ts'
import { type Diagnosis, fail, lineOf } from './diagnosis.ts'

/** What the scripts around the built program know. */
export interface HostFacts {
  readonly settings: Readonly<Record<string, string | undefined>>
  readonly model: Pick<ModelServer, 'kind' | 'baseUrl'>
  /** Node, programs, the stores that a start runs itself, ports, and what runs. */
  inspect(): Promise<readonly Diagnosis[]>
}

/** What is looked at, for the sentence when that fails, and the look. */
type Look = readonly [string, Promise<readonly Diagnosis[]>]

const SLOWEST_MS = 120_000

/** Looks at everything that a start and its tasks need, all at once; nothing is changed. Takes seconds. */
export async function examine(home: string, facts: HostFacts): Promise<Diagnosis[]> {
  const { settings } = facts
  const { diagnoses, config } = checkSettings(settings, home)
  const apiKey = settings['ANTHROPIC_API_KEY']
  const looks: Look[] = [
    ['host', facts.inspect()],
    ['home', checkHome(home)],
    ['settings', Promise.resolve(diagnoses)],
    ...(config === null ? [] : looksWith(config, settings)),
    ['model', one(checkModel({ ...facts.model, ...(apiKey === undefined ? {} : { apiKey }) }))],
  ]
  return (await Promise.all(looks.map(([name, look]) => inTime(name, look)))).flat()
}

function looksWith(config: Config, settings: HostFacts['settings']): Look[] {
  const names = (...wanted: string[]) => wanted.some((name) => settings[name] !== undefined && settings[name] !== '')
  const looks: Look[] = []
  if (names('DATABASE_URL')) looks.push(['postgres', one(checkPostgres(config.database.url))])
  if (names('REDIS_URL')) looks.push(['redis', one(checkRedis(config.redis.url))])
  if (names('TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE')) {
    looks.push(['temporal', one(checkTemporal(config.temporal))])
  }
  looks.push(['sandbox', checkSandbox(config)], ['registries', checkRegistries(config)])
  return looks
}

async function one(diagnosis: Promise<Diagnosis>): Promise<Diagnosis[]> {
  return [await diagnosis]
}

/** A look that fails or never ends is a diagnosis too: the others are still worth having. */
async function inTime(name: string, look: Promise<readonly Diagnosis[]>): Promise<readonly Diagnosis[]> {
  const timer = new AbortController()
  const late = new Promise<readonly Diagnosis[]>((resolve) => {
    const limit = setTimeout(
      () => resolve([fail(name, `could not be looked at within ${SLOWEST_MS / 1_000} s`, 'try again')]),
      SLOWEST_MS,
    )
    timer.signal.addEventListener('abort', () => clearTimeout(limit))
  })
  try {
    return await Promise.race([look, late])
  } catch (error) {
    return [fail(name, `could not be looked at (${lineOf(error)})`, 'try again')]
  } finally {
    timer.abort()
  }
}
