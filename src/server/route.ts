import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { z } from 'zod'
import { AppError } from '../shared/errors.ts'
import { fieldProblems } from './on-error.ts'
import { readJson } from './read-body.ts'
import { ErrorSchema } from './schemas/fields.ts'

type AnyObject = z.ZodObject<z.ZodRawShape>
type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined

/** One route: what it takes and gives, for the handler's types, for the checks, and for openapi.json. */
interface RouteSpec<P, Q, B> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** With `{name}` for parameters. */
  readonly path: string
  readonly summary: string
  readonly tag: string
  /** Answers without a token. */
  readonly isPublic?: boolean
  /** A parameter that does not fit is an id that does not exist: 404. */
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  readonly responses: Readonly<Record<number, { description: string; schema?: z.ZodType; mediaType?: string }>>
}

/** A request after its parts were checked against the route's schemas. */
export interface RouteInput<P, Q, B> {
  readonly c: Context
  readonly params: Parsed<P>
  readonly query: Parsed<Q>
  readonly body: Parsed<B>
}

/** Adds a route with its documentation; the handler gets only values that fit the schemas. */
export function addRoute<
  P extends AnyObject | undefined = undefined,
  Q extends AnyObject | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
>(
  app: OpenAPIHono,
  spec: RouteSpec<P, Q, B>,
  handler: (input: RouteInput<P, Q, B>) => Response | Promise<Response>,
): void {
  document(app, spec)
  const path = spec.path.replaceAll(/\{(\w+)\}/g, ':$1')
  app.on(spec.method.toUpperCase(), path, async (c) => {
    const params = parseParams(spec.params, c.req.param())
    const query = spec.query === undefined ? undefined : parse(spec.query, c.req.query())
    const body = spec.body === undefined ? undefined : parse(spec.body, (await readJson(c)) ?? {})
    return await handler({ c, params, query, body } as RouteInput<P, Q, B>)
  })
}

function parse(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw fieldProblems(parsed.error)
  return parsed.data
}

function parseParams(schema: z.ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) return undefined
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new AppError('not_found', 'There is nothing with this id.')
  return parsed.data
}

function document(app: OpenAPIHono, spec: RouteSpec<unknown, unknown, unknown>): void {
  const answers = Object.entries(spec.responses).map(([status, { description, schema, mediaType }]) => [
    status,
    { description, ...(schema && { content: { [mediaType ?? 'application/json']: { schema } } }) },
  ])
  app.openAPIRegistry.registerPath({
    method: spec.method,
    path: spec.path,
    summary: spec.summary,
    tags: [spec.tag],
    ...(spec.isPublic ? { security: [] } : {}),
    request: {
      ...(spec.params instanceof z.ZodObject && { params: spec.params }),
      ...(spec.query instanceof z.ZodObject && { query: spec.query }),
      ...(spec.body instanceof z.ZodType && { body: { content: { 'application/json': { schema: spec.body } } } }),
    },
    responses: {
      ...Object.fromEntries(answers),
      default: { description: 'An error', content: { 'application/json': { schema: ErrorSchema } } },
    },
  })
}
