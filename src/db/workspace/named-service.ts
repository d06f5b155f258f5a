import { unknownService } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { savedEnvironment } from './environments.ts'

/** What whoever starts a service says of it: a command, or the name of one of the environment's services. */
export interface AskedService {
  readonly name?: string | undefined
  readonly command?: string | undefined
  readonly port?: number | undefined
}

const NAME_CHARACTERS = 60

/**
 * The command with its name: as given, or as the environment says. Throws `bad_request` that lists the known names, also
 * when neither name nor command was given.
 */
export async function nameService(
  db: Db,
  projectId: string,
  { name, command, port }: AskedService,
): Promise<{ readonly name: string; readonly command: string; readonly port?: number | undefined }> {
  if (command !== undefined) return { name: name ?? shortName(command), command, port }
  const services = (await savedEnvironment(db, projectId))?.services ?? []
  const known = services.find((service) => service.name === name)
  if (known !== undefined) return { name: known.name, command: known.command, port: port ?? known.port }
  throw unknownService(services.map((service) => service.name))
}

function shortName(command: string): string {
  const [line = ''] = command.trim().split('\n', 1)
  return line.length <= NAME_CHARACTERS ? line : `${line.slice(0, NAME_CHARACTERS - 1)}…`
}
