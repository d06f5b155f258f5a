import type { Config } from './config-groups.ts'
import type { Groups } from './group-settings.ts'

/** The frozen settings, whose `toJSON`, which the logger calls, has `[hidden]` in the place of each secret. */
export function withHiddenSecrets(groups: Groups): Config {
  const config = Object.defineProperty({ ...groups }, 'toJSON', { value: () => hidden(groups) }) as Config
  return deepFreeze(config)
}

function hidden(groups: Groups): Record<string, unknown> {
  const { server, temporal, model, sandbox } = groups
  return {
    ...groups,
    server: { ...server, ...masked(server, 'apiToken', 'setupToken') },
    temporal: { address: temporal.address, namespace: temporal.namespace },
    database: { ...groups.database, url: withoutPassword(groups.database.url) },
    redis: { url: withoutPassword(groups.redis.url) },
    model: { ...model, ...masked(model, 'apiKey'), ...(model.baseUrl && { baseUrl: withoutPassword(model.baseUrl) }) },
    sandbox: { ...sandbox, ...masked(sandbox, 'e2bApiKey') },
    credentials: { ...groups.credentials, ...masked(groups.credentials, 'key') },
    network: { ...groups.network, ...masked(groups.network, 'registries', 'toolEnv') },
  }
}

function masked(from: object, ...names: string[]): Record<string, string> {
  return Object.fromEntries(names.filter((name) => Object.hasOwn(from, name)).map((name) => [name, '[hidden]']))
}

function withoutPassword(text: string): string {
  const url = new URL(text)
  if (url.password !== '') url.password = 'hidden'
  return url.href
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    const plain = typeof inner === 'object' && inner !== null && !ArrayBuffer.isView(inner)
    if (plain) deepFreeze(inner as object)
  }
  return Object.freeze(value)
}
