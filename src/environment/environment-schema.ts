import { z } from 'zod'
import {
  commandPatternFault,
  DEFAULT_EXPIRES_HOURS,
  hostPatternFault,
  MAX_PATTERNS,
  MAX_REMEMBERED,
  pathPatternFault,
} from '../shared/approval-policy.ts'
import type { EnvironmentBody } from '../shared/environment.ts'
import { hostEntryFault, MAX_NETWORK_HOSTS, NETWORK_POLICIES, type NetworkPolicy } from '../shared/network.ts'

const MAX_COMMANDS = 20
const MAX_VARIABLES = 100
const MAX_SERVICES = 10
/** What would change how the product itself starts a command, rather than what the command does. */
const RESERVED = /^(LD_|DYLD_|BASH_ENV$|ENV$|PATH$|HOME$|SHELL$|TMPDIR$|https?_proxy$|no_proxy$)/i
/** Names that speak of a secret: variables are seen by every command, so these have no place here. */
const SECRET = /(SECRET|PASSWORD|PASSWD|TOKEN|PRIVATE_KEY|API_?KEY|CREDENTIAL)/i

const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !value.includes('\0'), 'must not hold a NUL character')
    .refine((value) => value.isWellFormed(), 'must be well-formed text')

const name = text(100).regex(/^[^\r\n]+$/, 'must be one line')
const directory = text(1_000).refine(
  (value) => !value.startsWith('/') && !value.split('/').includes('..'),
  'must be a directory below the workspace, relative to it',
)
const port = z.number().int().min(1).max(65_535)

const host = z
  .string()
  .max(300)
  .superRefine((entry, context) => {
    const fault = hostEntryFault(entry)
    if (fault !== null) context.addIssue({ code: 'custom', message: fault })
  })

const pattern = (faultOf: (text: string) => string | null) =>
  z
    .string()
    .max(1_000)
    .superRefine((value, context) => {
      const fault = faultOf(value)
      if (fault !== null) context.addIssue({ code: 'custom', message: fault })
    })

const patterns = (faultOf: (text: string) => string | null) => z.array(pattern(faultOf)).max(MAX_PATTERNS).default([])

const approvals = z.strictObject({
  commands: patterns(commandPatternFault),
  paths: patterns(pathPatternFault),
  hosts: patterns(hostPatternFault),
  publishing: z.boolean().optional(),
  expiresInHours: z.number().min(0.001).max(720).default(DEFAULT_EXPIRES_HOURS),
  remembered: z
    .array(
      z.strictObject({
        kind: z.enum(['command', 'path']),
        subject: text(100_000),
        decision: z.enum(['approve', 'deny']),
        at: z.iso.datetime(),
      }),
    )
    .max(MAX_REMEMBERED)
    .default([]),
})

const variable = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, 'must be letters, digits and _, and begin with no digit')
    .refine((value) => !RESERVED.test(value), 'is set by the sandbox itself')
    .refine(
      (value) => !SECRET.test(value),
      'sounds like a secret: variables are seen by every command; use credentials',
    ),
  value: z
    .string()
    .max(10_000)
    .refine((value) => !value.includes('\0'), 'must not hold a NUL character')
    .refine((value) => value.isWellFormed(), 'must be well-formed text'),
})

/** What `PUT …/environment` takes. What the GET shows besides may be sent back and is not looked at. */
export const EnvironmentBodySchema = z
  .strictObject({
    network: z.strictObject({ policy: z.enum(NETWORK_POLICIES), hosts: z.array(host).max(MAX_NETWORK_HOSTS) }),
    setup: z.strictObject({
      enabled: z.boolean(),
      commands: z
        .array(
          z.strictObject({
            name,
            command: text(10_000),
            cwd: directory.optional(),
            source: z.enum(['detected', 'custom']).optional(),
          }),
        )
        .max(MAX_COMMANDS)
        .superRefine(uniqueNames),
    }),
    variables: z.array(variable).max(MAX_VARIABLES).superRefine(uniqueNames).default([]),
    services: z
      .array(z.strictObject({ name, command: text(10_000), port: port.optional() }))
      .max(MAX_SERVICES)
      .superRefine(uniqueNames)
      .default([]),
    approvals: approvals.optional(),
    version: z.unknown().optional(),
    status: z.unknown().optional(),
    toolchains: z.unknown().optional(),
    registries: z.unknown().optional(),
    leftOut: z.unknown().optional(),
    proposal: z.unknown().optional(),
    workspace: z.unknown().optional(),
    denied: z.unknown().optional(),
  })
  .transform(
    ({ network, setup, variables, services, approvals: policy }): EnvironmentBody => ({
      network: { policy: network.policy, hosts: [...new Set(network.hosts)] },
      setup: {
        enabled: setup.enabled,
        // What was detected is detected again: only a person's own commands are kept.
        commands: setup.commands
          .filter(({ source }) => source !== 'detected')
          .map(({ name, command, cwd }) => ({ name, command, ...(cwd === undefined ? {} : { cwd }) })),
      },
      variables,
      ...(policy === undefined ? {} : { approvals: policy }),
      services: services.map(({ name, command, port }) => ({ name, command, ...(port === undefined ? {} : { port }) })),
    }),
  )

function uniqueNames(items: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>()
  for (const [index, item] of items.entries()) {
    if (seen.has(item.name)) {
      context.addIssue({ code: 'custom', path: [index, 'name'], message: `"${item.name}" stands here twice` })
    }
    seen.add(item.name)
  }
}

/** What holds until somebody saves an environment. */
export function defaultEnvironment(policy: NetworkPolicy): EnvironmentBody & { readonly version: 0 } {
  return {
    version: 0,
    network: { policy, hosts: [] },
    setup: { enabled: true, commands: [] },
    variables: [],
    services: [],
  }
}
