import { ConfigError, loadConfig } from '../../config.ts'
import type { Config } from '../../settings/config-groups.ts'
import { type Diagnosis, fail, ok } from './diagnosis.ts'

/** Where no store is named, a start fills in its own: for the look they stand at addresses that nobody asks. */
const OWN_STORES = { DATABASE_URL: 'postgresql://127.0.0.1/keelson', REDIS_URL: 'redis://127.0.0.1' }

/** The settings as the parts of an instance would read them; without faults they come along. */
export function checkSettings(
  settings: Readonly<Record<string, string | undefined>>,
  home: string,
): { readonly diagnoses: Diagnosis[]; readonly config: Config | null } {
  try {
    const config = loadConfig({ ...OWN_STORES, ...settings, KEELSON_HOME: home }, { callsModel: false })
    return { diagnoses: [ok('settings', 'no faults')], config }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const diagnoses = error.faults.map((fault) => fail('settings', fault, '.env.example says what each setting takes'))
    return { diagnoses, config: null }
  }
}
