import type { OpenAPIHono } from '@hono/zod-openapi'
import { getProject } from '../../db/projects.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { ContentQuery, ContentSchema, FilesQuery, ProjectParams, TreeSchema } from '../schemas.ts'

const MAX_ENTRIES = 2_000
const DEFAULT_CONTENT_BYTES = 256 * 1024
/** As much of a file as git looks at before it calls it binary. */
const SNIFFED_BYTES = 8_000

export function addFileRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/files',
      summary: "List a directory of the project's workspace",
      tag: 'files',
      params: ProjectParams,
      query: FilesQuery,
      responses: { 200: { description: 'The tree, at most 2,000 entries', schema: TreeSchema } },
    },
    async ({ c, params, query }) => {
      await getProject(deps.db, params.projectId)
      const sandbox = await deps.workspaces.open(params.projectId)
      const path = query.path === '.' ? '' : query.path
      const stat = path === '' ? null : await sandbox.stat(path)
      if (path !== '' && stat === null) throw new AppError('not_found', 'There is no such directory.')
      if (stat !== null && stat.kind !== 'directory') throw new AppError('bad_request', 'path: is not a directory')
      const { entries, truncated } = await sandbox.list(path, { depth: query.depth, limit: MAX_ENTRIES })
      return c.json({ path, entries, truncated })
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/files/content',
      summary: 'Read a file or a range of it',
      tag: 'files',
      params: ProjectParams,
      query: ContentQuery,
      responses: { 200: { description: 'At most 1 MiB; binary content as base64', schema: ContentSchema } },
    },
    async ({ c, params, query }) => {
      await getProject(deps.db, params.projectId)
      const sandbox = await deps.workspaces.open(params.projectId)
      const stat = await sandbox.stat(query.path)
      if (stat === null) throw new AppError('not_found', 'There is no such file.')
      if (stat.kind !== 'file') throw new AppError('bad_request', `path: is a ${stat.kind}, not a file`)
      const length = query.length ?? DEFAULT_CONTENT_BYTES
      const slice = await sandbox.read(query.path, { offset: query.offset, length })
      return c.json({ path: query.path, ...contentOf(slice, query.offset) })
    },
  )
}

function contentOf(slice: { data: Uint8Array; sizeBytes: number }, offset: number) {
  const data = Buffer.from(slice.data.buffer, slice.data.byteOffset, slice.data.byteLength)
  const { sizeBytes } = slice
  const truncated = offset + data.length < sizeBytes
  const text = textOf(data, { isCutBefore: offset > 0, isCutAfter: truncated })
  return text === undefined
    ? { sizeBytes, encoding: 'base64' as const, content: data.toString('base64'), binary: true, truncated }
    : { sizeBytes, encoding: 'utf-8' as const, content: text, binary: false, truncated }
}

/** The text, or undefined when these bytes are none. A range may begin or end inside a character, which is left out. */
function textOf(data: Buffer, cut: { isCutBefore: boolean; isCutAfter: boolean }): string | undefined {
  if (data.subarray(0, SNIFFED_BYTES).includes(0)) return undefined
  let start = 0
  let end = data.length
  while (cut.isCutBefore && start < Math.min(3, end) && isContinuation(data[start])) start++
  for (let dropped = 0; ; dropped++) {
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data.subarray(start, end))
    } catch {
      // Not UTF-8, unless only the last character was cut through.
      if (!cut.isCutAfter || dropped === 3) return undefined
      end--
    }
  }
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0b1100_0000) === 0b1000_0000
}
