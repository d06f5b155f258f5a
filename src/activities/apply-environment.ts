import { savedEnvironment } from '../db/workspace/environments.ts'
import { defaultEnvironment } from '../environment/environment-schema.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { Environment } from '../shared/environment.ts'
import type { ActivityDeps } from './deps.ts'

/** Makes what a person saved for a project hold in its sandbox, and returns it. Safe to repeat; cheap when nothing changed. */
export async function applyEnvironment(
  deps: Pick<ActivityDeps, 'db' | 'defaultNetwork'>,
  projectId: string,
  sandbox: Sandbox,
): Promise<Environment> {
  const environment = (await savedEnvironment(deps.db, projectId)) ?? defaultEnvironment(deps.defaultNetwork)
  sandbox.setVariables(Object.fromEntries(environment.variables.map(({ name, value }) => [name, value])))
  await sandbox.network(environment.network)
  return environment
}
