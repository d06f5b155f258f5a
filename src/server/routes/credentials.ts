import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { canonicalCredentialHost, isAddress } from '../../credentials/credential-host.ts'
import type { Credential } from '../../db/credentials.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'

/** No host's token is nearly so long. */
const MAX_VALUE_CHARACTERS = 8_192
const MAX_USERNAME_CHARACTERS = 200

const CredentialSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['git', 'registry']),
    host: z.string(),
    username: z.string().optional(),
    createdAt: z.string(),
    lastUsedAt: z.string().nullable(),
  })
  .openapi('Credential')

const CredentialParams = z.object({ credentialId: z.string().regex(/^[\w.:-]{1,128}$/) })

const Host = z
  .string()
  .max(300, 'must be a host name')
  .transform((text, context) => {
    const host = canonicalCredentialHost(text)
    if (host !== null) return host
    const message = 'must be a host with a port at most, such as git.example.com or git.example.com:8443'
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  })
  .openapi({ description: 'Such as git.example.com or git.example.com:8443; 443 when no port is named' })

/** Printable and on one line: what is sent in a header. */
const headerText = (maxCharacters: number) =>
  z
    .string()
    .min(1, 'must not be empty')
    .max(maxCharacters, `must be at most ${maxCharacters.toLocaleString('en-US')} characters`)
    .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII on one line, without NUL or line breaks')

const Value = headerText(MAX_VALUE_CHARACTERS).refine(
  (text) => text.trim() === text,
  'must not begin or end with a space',
)

/** What people and other services' clients call the value; it is stored and spoken of as one thing. */
const OTHER_NAMES = ['token', 'secret'] as const

const NewCredentialShape = z
  .strictObject({
    kind: z.enum(['git', 'registry']).default('git'),
    host: Host,
    username: headerText(MAX_USERNAME_CHARACTERS)
      .refine((text) => !text.includes(':'), 'must not contain a colon')
      .optional(),
    value: Value.openapi({ description: 'The token or password. It never comes out again', format: 'password' }),
  })
  .openapi('NewCredential', { description: '`token` or `secret` is taken for `value`, too' })

const NewCredentialBody = z.preprocess((body) => {
  if (typeof body !== 'object' || body === null || 'value' in body) return body
  const name = OTHER_NAMES.find((each) => each in body)
  if (name === undefined) return body
  const { [name]: value, ...rest } = body as Record<string, unknown>
  return { ...rest, value }
}, NewCredentialShape)

/** Tokens for git hosts and package registries: in once, never out. */
export function addCredentialRoutes(app: OpenAPIHono, { credentials, settings }: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/credentials',
      summary: 'List the stored credentials, oldest first, without their values',
      tag: 'credentials',
      responses: {
        200: {
          description: 'At most 200 credentials',
          schema: z.object({ items: z.array(CredentialSchema), nextAfter: z.string().nullable() }),
        },
      },
    },
    async ({ c }) => c.json({ items: (await credentials.list()).map(present), nextAfter: null }),
  )
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/credentials',
      summary: 'Store a token for a git host or a package registry; the newest of a host is used by itself',
      tag: 'credentials',
      body: NewCredentialBody,
      responses: { 201: { description: 'The credential, without its value', schema: CredentialSchema } },
    },
    async ({ c, body }) => {
      const { value, ...rest } = body
      requireUsable(body.kind, body.host, settings.gitOrigins)
      return c.json(present(await credentials.add({ ...rest, secret: value })), 201)
    },
  )
  addRoute(
    app,
    {
      method: 'delete',
      path: '/api/credentials/{credentialId}',
      summary: 'Delete a credential',
      tag: 'credentials',
      params: CredentialParams,
      responses: { 204: { description: 'Deleted' } },
    },
    async ({ c, params }) => {
      if (await credentials.remove(params.credentialId)) return c.body(null, 204)
      throw new AppError('not_found', 'There is no such credential.')
    },
  )
}

/** An address is nobody's host unless the operator named it. */
function requireUsable(kind: 'git' | 'registry', host: string, gitOrigins: readonly string[]): void {
  if (!isAddress(host) || (kind === 'git' && gitOrigins.includes(`https://${host}`))) return
  const problem = 'must be a name, not an address'
  throw new AppError('bad_request', `host: ${problem}`, { details: { host: problem } })
}

function present({ createdAt, lastUsedAt, ...credential }: Credential): z.infer<typeof CredentialSchema> {
  return { ...credential, createdAt: createdAt.toISOString(), lastUsedAt: lastUsedAt?.toISOString() ?? null }
}
