import { createHash } from 'node:crypto'
import path from 'node:path'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { writeTar } from '../../sources/archive/tar-writer.ts'
import { type Api, ApiError } from '../api.ts'
import { allProjects, type ChosenProject } from '../find-project.ts'
import { UsageError } from '../usage-error.ts'
import { directoryEntries } from './directory-entries.ts'
import { listFiles } from './list-files.ts'

/**
 * The project of a directory, with the directory's files in it: found by its name, or made. `home` holds our own data and is
 * never sent. Throws {@link UsageError} where git does not say what belongs to the directory or that is too large, `ApiError`
 * also while a task of the project runs.
 */
export async function openHere(api: Api, dir: string, home: string): Promise<ChosenProject> {
  const files = await listFiles(dir)
  const name = nameOf(dir)
  const found = (await allProjects(api)).findLast((project) => project.name === name)
  const project = found ?? (await api.call<ChosenProject>('POST', '/api/projects', { name, source: { kind: 'empty' } }))
  // Read into the archive as the server takes it: nothing is kept in memory or written here.
  const tar = Readable.from(writeTar(directoryEntries(dir, files, home)))
  const body = createGzip({ level: 1 })
  tar.once('error', (error) => body.destroy(error))
  tar.pipe(body)
  try {
    await api.upload('PUT', `/api/workspace/${encodeURIComponent(project.id)}/archive`, body)
  } catch (error) {
    if (body.errored instanceof UsageError) throw body.errored
    if (error instanceof ApiError && error.code === 'task_running') {
      const message = `A task of ${name} is not over; --project "${project.id}" goes on with it.`
      throw new ApiError(message, error.status, error.code, error)
    }
    throw error
  }
  return project
}

/** Two directories of one name are two projects. Pure. */
function nameOf(dir: string): string {
  const mark = createHash('sha256').update(dir).digest('hex').slice(0, 8)
  return `${path.basename(dir).slice(0, 100) || 'root'} (here, ${mark})`
}
