import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { getProject, type Project } from '../../db/project/projects.ts'
import { getCheckpoint } from '../../db/workspace/checkpoints.ts'
import { entryOfTree } from '../../sandbox/sources/tree-entry.ts'
import type { Sandbox, WorkspaceEntry } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'
import { noSuch } from '../../shared/refusals.ts'
import { replaceFromArchive } from '../../sources/archive/replace-from-archive.ts'
import { MAX_ARCHIVE_BYTES, spoolUpload } from '../../sources/archive/spool.ts'
import { writeTar } from '../../sources/archive/tar-writer.ts'
import { writeZip } from '../../sources/archive/zip-writer.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { ProjectParams } from '../schemas/fields.ts'

/** Archives that are packed or taken in at once; more are told to come back. */
const MAX_AT_ONCE = 8
const MEDIA_TYPES = { zip: 'application/zip', 'tar.gz': 'application/gzip' } as const

const ArchiveQuery = z.object({
  checkpoint: z.string().max(100).optional().describe('The files of a checkpoint; left out: as they are now'),
  format: z.enum(['zip', 'tar.gz']).default('tar.gz'),
})
const Replaced = z.object({ files: z.number(), sizeBytes: z.number() }).openapi('ArchiveTaken')

/** All files of a project out as an archive, and in from one. */
export function addArchiveRoutes(app: OpenAPIHono, deps: AppDeps): void {
  let busy = 0
  const begin = (): (() => void) => {
    if (busy >= MAX_AT_ONCE) {
      const message = `${MAX_AT_ONCE} archives are under way already. Try again in a moment.`
      throw new AppError('rate_limited', message, { retryAfterMs: 5_000 })
    }
    busy += 1
    let isOver = false
    return () => {
      if (!isOver) busy -= 1
      isOver = true
    }
  }

  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/archive',
      summary: 'Download all files, without .git and what an install brings again; at most 512 MiB',
      tag: 'files',
      params: ProjectParams,
      query: ArchiveQuery,
      responses: { 200: { description: 'The archive', schema: z.string(), mediaType: 'application/octet-stream' } },
    },
    async ({ params, query }) => {
      const project = await getProject(deps.db, params.projectId)
      const end = begin()
      try {
        const sandbox = await deps.workspaces.open(project.id)
        const entries = await entriesOf(deps, sandbox, project, query.checkpoint)
        const bytes = query.format === 'zip' ? writeZip(entries) : writeTar(entries)
        const body = query.format === 'zip' ? Readable.from(bytes) : zipped(bytes)
        body.once('close', end)
        return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>, {
          headers: {
            'content-type': MEDIA_TYPES[query.format],
            'content-disposition': `attachment; filename="${fileNameOf(project.name)}.${query.format}"`,
            'cache-control': 'no-store',
          },
        })
      } catch (error) {
        end()
        throw error
      }
    },
  )
  addRoute(
    app,
    {
      method: 'put',
      path: '/api/workspace/{projectId}/archive',
      summary: 'Replace all files by those of a zip, tar or tar.gz of at most 512 MiB; .git stays unless it brings one',
      tag: 'files',
      params: ProjectParams,
      responses: { 200: { description: 'What was taken in', schema: Replaced } },
    },
    async ({ c, params }) => {
      const project = await getProject(deps.db, params.projectId)
      if (Number(c.req.header('content-length') ?? 0) > MAX_ARCHIVE_BYTES) {
        throw new AppError('body_too_large', 'The archive is larger than 512 MiB.', {
          details: { maxBytes: MAX_ARCHIVE_BYTES },
        })
      }
      const end = begin()
      try {
        const spooled = await spoolUpload(c.req.raw.body)
        try {
          const open = (projectId: string) => deps.workspaces.open(projectId)
          return c.json(await replaceFromArchive({ db: deps.db, open }, project.id, spooled.file))
        } finally {
          await spooled.remove()
        }
      } finally {
        end()
      }
    },
  )
}

/** What goes into the archive; what is larger than one may be is said before the first byte where it can be known. */
async function entriesOf(
  deps: AppDeps,
  sandbox: Sandbox,
  project: Pick<Project, 'id' | 'activeTaskId'>,
  checkpointId: string | undefined,
): Promise<AsyncIterable<WorkspaceEntry>> {
  if (checkpointId !== undefined) {
    const checkpoint = await getCheckpoint(deps.db, checkpointId)
    if (checkpoint.projectId !== project.id) throw noSuch('checkpoint')
    if (!sandbox.treeFiles) throw cannot()
    return treeEntries(sandbox.treeFiles(checkpoint.treeHash))
  }
  if (!sandbox.packedEntries) {
    // A sandbox that is elsewhere gives its files as a checkpoint alone, and takes none beside the task that works there.
    if (!sandbox.treeFiles) throw cannot()
    if (project.activeTaskId !== null) throw atWork()
    return treeEntries(sandbox.treeFiles(await sandbox.checkpoint()))
  }
  let sizeBytes = 0
  for await (const entry of await sandbox.packedEntries()) {
    if (entry.kind === 'file') sizeBytes += entry.sizeBytes
    if (sizeBytes <= MAX_ARCHIVE_BYTES) continue
    throw new AppError('bad_request', 'The project’s files are more than 512 MiB, the limit of an archive.')
  }
  return await sandbox.packedEntries()
}

type TreeFiles = NonNullable<Sandbox['treeFiles']>

/** Ends in the middle, which whoever downloads it sees, when a checkpoint turns out larger than an archive may be. */
async function* treeEntries(files: ReturnType<TreeFiles>): AsyncGenerator<WorkspaceEntry> {
  let sizeBytes = 0
  for await (const file of files) {
    sizeBytes += file.large?.sizeBytes ?? file.data.length
    if (sizeBytes > MAX_ARCHIVE_BYTES) throw new AppError('bad_request', 'The checkpoint is more than 512 MiB.')
    yield entryOfTree(file)
  }
}

/** Ends with whoever reads it: nothing stays open when they leave in the middle. */
function zipped(bytes: AsyncIterable<Uint8Array>): Readable {
  const source = Readable.from(bytes)
  const gzip = createGzip()
  source.once('error', (error) => gzip.destroy(error))
  gzip.once('close', () => source.destroy())
  return source.pipe(gzip)
}

function atWork(): AppError {
  const message = 'A task of this project is not over; the files of a checkpoint can be had meanwhile (?checkpoint=).'
  return new AppError('task_running', message)
}

function cannot(): AppError {
  return new AppError('bad_request', 'The sandbox of this project gives no archives; use a project in a local sandbox.')
}

function fileNameOf(name: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[-.]+|-+$/g, '')
      .slice(0, 80) || 'project'
  )
}
