export const ANTHROPIC_URL = 'https://api.anthropic.com'

/**
 * Which model server a start uses, by what the user set: `KEELSON_MODEL_KIND` when it is set, else Anthropic's protocol as
 * soon as there is a key or an address, and the scripted demonstration without either. Pure.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @returns {{ kind: 'anthropic', baseUrl: string } | { kind: 'scripted' }}
 */
export function chooseModel(settings) {
  const baseUrl = settings['ANTHROPIC_BASE_URL']
  const isNamed = settings['ANTHROPIC_API_KEY'] !== undefined || baseUrl !== undefined
  const kind = settings['KEELSON_MODEL_KIND'] ?? (isNamed ? 'anthropic' : 'scripted')
  return kind === 'scripted' ? { kind: 'scripted' } : { kind: 'anthropic', baseUrl: baseUrl ?? ANTHROPIC_URL }
}
