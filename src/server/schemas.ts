/**
 * What HTTP takes and gives. The checks, the handlers' types and openapi.json all come from here. Objects that come in
 * are strict: an unknown field is refused, since it is a misunderstanding that would otherwise go unnoticed.
 */

import { isAbsolute, posix } from 'node:path'
import { z } from '@hono/zod-openapi'
import { MAX_FACT_CHARACTERS, MAX_FACTS, tidy } from '../shared/memory.ts'
import { NETWORK_POLICIES } from '../shared/network.ts'
import { PLAN_STATES } from '../shared/plan.ts'
import { MAX_SERVICE_COMMAND_CHARACTERS } from '../shared/service.ts'
import { TASK_STATUSES } from '../shared/task.ts'
import { cleanText, wellFormedText } from './text.ts'

export const ErrorSchema = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      retryable: z.boolean().optional(),
      details: z.record(z.string(), z.unknown()).optional(),
    }),
    requestId: z.string(),
  })
  .openapi('Error')

export const IdSchema = z.string().regex(/^[\w.:-]{1,128}$/)
export const ProjectParams = z.object({ projectId: IdSchema })
export const ConversationParams = z.object({ conversationId: IdSchema })
export const MessageParams = ConversationParams.extend({ messageId: IdSchema })
export const TaskParams = z.object({ taskId: IdSchema })
export const CheckpointParams = z.object({ checkpointId: IdSchema })

const emptyAsAbsent = (value: unknown): unknown => (value === '' ? undefined : value)
const whole = (min: number, max: number) =>
  z.preprocess(
    emptyAsAbsent,
    z
      .string()
      .regex(/^\d{1,12}$/, 'must be a whole number')
      .transform(Number)
      .pipe(z.number().min(min).max(max))
      .optional(),
  )

export const PageQuery = z.object({
  after: z.preprocess(emptyAsAbsent, IdSchema.optional()),
  limit: whole(1, 200).transform((limit) => limit ?? 50),
})

export const OrderedPageQuery = PageQuery.extend({ order: z.enum(['oldest', 'newest']).default('oldest') })

export const EventsQuery = z.object({
  after: z.string().optional().openapi({ description: 'The last seq you have; Last-Event-ID means the same' }),
  topics: z.string().optional().openapi({ description: 'messages,status,file-changes,terminal; all when left out' }),
})

const RelativePath = z
  .string()
  .max(4_096)
  .refine((path) => !path.includes('\0'), 'must not contain NUL characters')

export const FilesQuery = z.object({
  path: RelativePath.default(''),
  depth: whole(1, 20).transform((depth) => depth ?? 1),
})

export const ContentQuery = z.object({
  path: RelativePath.min(1),
  offset: whole(0, Number.MAX_SAFE_INTEGER).transform((offset) => offset ?? 0),
  length: whole(1, 1024 * 1024),
})

export const DiffQuery = z.object({
  from: z.preprocess(emptyAsAbsent, IdSchema.optional()),
  to: z.preprocess(emptyAsAbsent, IdSchema.optional()),
  path: z
    .preprocess(emptyAsAbsent, RelativePath.optional())
    .openapi({ description: 'Only this file, or the files in this directory' }),
})

const limit = (whole: boolean) => {
  const amount = z.number().positive().max(100_000)
  return (whole ? amount.int() : amount).nullable().optional()
}

const LimitsSchema = z.strictObject({ maxUsd: limit(false), maxTurns: limit(true), maxMinutes: limit(false) })

const ProjectBudgetBody = z
  .strictObject({ task: LimitsSchema.optional(), project: LimitsSchema.optional(), day: LimitsSchema.optional() })
  .openapi('ProjectBudget', { description: 'What is not named stays; null lets the server’s default hold again' })

const BudgetSchema = z
  .strictObject({
    maxUsd: z.number().positive().max(100_000).optional(),
    maxTurns: z.number().int().positive().max(100_000).optional(),
    maxMinutes: z.number().positive().max(100_000).optional(),
  })
  .openapi('Budget')

export const BudgetBody = BudgetSchema.refine(
  (budget) => Object.keys(budget).length > 0,
  'name at least one of maxUsd, maxTurns, maxMinutes',
)

export const MAX_MESSAGE_CHARACTERS = 100_000

export const ChatBody = z
  .strictObject({
    message: cleanText(MAX_MESSAGE_CHARACTERS),
    conversationId: IdSchema.optional(),
    clientMessageId: cleanText(128).optional(),
    delivery: z.enum(['steer', 'queue']).default('steer'),
    model: cleanText(200).optional(),
    forceRegenerateContext: z.boolean().default(false),
    budget: BudgetSchema.default({}),
    remember: cleanText(MAX_FACT_CHARACTERS).transform(tidy).optional().openapi({
      description:
        'A fact that the project remembers from now on; a message whose first line begins with "remember:" does the same',
    }),
  })
  .openapi('ChatRequest')

const FilePath = RelativePath.min(1).refine(
  (path) => !isAbsolute(path) && posix.normalize(path) === path && !path.startsWith('..') && !path.endsWith('/'),
  'must be a relative path inside the project, without . or .. parts',
)

/** Git runs with these as arguments: nothing that it could take for an option or for a local path. */
const GitUrl = z.string().max(2_048).refine(isHttpsUrl, 'must be an https:// URL without credentials')

const GitRef = z.string().regex(/^(?!-)(?!.*\.\.)[\w./@+-]{1,200}$/, 'must be a branch, tag or commit name')

export const SourceSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('sample'),
      name: z
        .string()
        .regex(/^[a-z0-9-]{1,64}$/)
        .optional(),
    }),
    z.strictObject({ kind: z.literal('empty') }),
    z.strictObject({ kind: z.literal('files'), files: z.record(FilePath, wellFormedText(1024 * 1024)) }),
    z.strictObject({
      kind: z.literal('git'),
      url: GitUrl,
      ref: GitRef.optional(),
      credentialId: IdSchema.optional().describe('A stored credential for this host; left out: the newest of the host'),
      depth: z.int().min(1).max(10_000).optional().describe('Commits of history; default 50'),
    }),
    z.strictObject({
      kind: z.literal('path'),
      path: RelativePath.min(1).refine(isAbsolute, 'must be an absolute path'),
    }),
  ])
  .openapi('ProjectSource')

export const CreateProjectBody = z
  .strictObject({
    name: cleanText(200),
    source: SourceSchema,
    sandboxProvider: z.enum(['local-bwrap', 'e2b', 'unsafe-host']).optional(),
  })
  .openapi('NewProject')
export const PatchProjectBody = z.strictObject({
  name: cleanText(200).optional(),
  budget: ProjectBudgetBody.optional(),
})
export const CreateConversationBody = z.strictObject({ title: cleanText(200).optional() })
export const CancelBody = z.strictObject({ reason: cleanText(500).optional() })
export const SessionBody = z
  .strictObject({
    setupToken: z.string().min(1).max(200).optional(),
    apiToken: z.string().min(1).max(1_000).optional(),
  })
  .transform(({ setupToken, apiToken }, context) => {
    if (setupToken !== undefined && apiToken === undefined) return { setupToken }
    if (apiToken !== undefined && setupToken === undefined) return { apiToken }
    context.addIssue({ code: 'custom', path: ['setupToken'], message: 'send either setupToken or apiToken' })
    return z.NEVER
  })
export const SignOutBody = z.strictObject({
  everywhere: z.boolean().default(false).openapi({ description: 'End the sign-ins of all browsers' }),
})
export const NoBody = z.strictObject({})

const Time = z.iso.datetime()
const Stat = z.object({ files: z.number(), added: z.number(), removed: z.number() }).openapi('DiffStat')
const listOf = (item: z.ZodType) => z.object({ items: z.array(item), nextAfter: z.string().nullable() })

export const ProjectSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    source: z.unknown(),
    sourceReport: z
      .object({ files: z.number(), sizeBytes: z.number(), notes: z.array(z.string()) })
      .optional()
      .describe('What became of the source, once its files were brought in; notes say what was left out'),
    sandboxProvider: z.string(),
    activeTaskId: z.string().nullable(),
    budget: ProjectBudgetBody,
    createdAt: Time,
    latestSeq: z.number().optional(),
  })
  .openapi('Project')
export const ProjectListSchema = listOf(ProjectSchema)

export const ConversationSchema = z
  .object({
    id: z.string(),
    projectId: z.string(),
    title: z.string(),
    activeTaskId: z.string().nullable(),
    forkedFrom: z.string().optional().openapi({ description: 'The checkpoint it was forked from' }),
    createdAt: Time,
    updatedAt: Time,
  })
  .openapi('Conversation')
export const ConversationListSchema = listOf(ConversationSchema)

const MessageSchema = z
  .object({
    id: z.string(),
    conversationId: z.string(),
    taskId: z.string().nullable(),
    role: z.enum(['user', 'assistant', 'note']),
    text: z.string(),
    status: z.enum(['queued', 'claimed', 'streaming', 'completed', 'cancelled']),
    createdAt: Time,
    parts: z.array(z.object({ type: z.string() }).loose()),
  })
  .openapi('Message')
export const MessageListSchema = listOf(MessageSchema)

const ReviewStateSchema = z.object({ status: z.string(), round: z.number() }).loose().openapi('ReviewState')
export const ReviewSchema = ReviewStateSchema.extend({ rounds: z.array(z.object({ round: z.number() }).loose()) })

export const EvidenceSchema = z
  .object({
    evidence: z.enum(['verified', 'partly', 'unverified']),
    gaps: z.array(z.object({ name: z.string(), reason: z.string() })),
    treeHash: z.string().optional().openapi({ description: 'The files that the task delivered, or has come to' }),
    rows: z
      .array(
        z
          .object({
            id: z.string(),
            kind: z.enum(['check', 'command']),
            by: z.enum(['harness', 'coder', 'reviewer']),
            status: z.string(),
          })
          .loose(),
      )
      .openapi({
        description: 'Commands in order (the newest 500), then what checks did before the task, then each round’s',
      }),
    claims: z
      .array(
        z.object({ text: z.string(), about: z.string(), mark: z.enum(['proven', 'contradicted', 'unproven']) }).loose(),
      )
      .openapi({ description: 'Sentences of the last message that say something ran, by what the rows bear out' }),
  })
  .openapi('Evidence')

const LeftOutList = z
  .array(
    z.object({
      path: z.string(),
      kind: z.enum(['dependencies', 'build', 'cache', 'git', 'unseen', 'large']),
      files: z.number().openapi({ description: 'How many files came, went or changed' }),
      replaced: z.number().openapi({ description: 'How many of them were there before' }),
      examples: z.array(z.string()),
    }),
  )
  .openapi({ description: 'Places that checkpoints do not hold and in which something changed' })

export const TaskSchema = z
  .object({
    id: z.string(),
    projectId: z.string(),
    conversationId: z.string(),
    workflowId: z.string(),
    status: z.enum(TASK_STATUSES),
    phase: z.string(),
    turn: z.number(),
    round: z.number(),
    model: z.string(),
    outcome: z.string().optional(),
    reason: z.object({ code: z.string(), message: z.string() }).optional(),
    review: ReviewStateSchema,
    evidence: z
      .enum(['verified', 'partly', 'unverified'])
      .openapi({ description: 'What the checks of the delivered tree proved' }),
    evidenceGaps: z
      .array(z.object({ name: z.string(), reason: z.string() }))
      .optional()
      .openapi({ description: 'What is missing for verified, each with its reason' }),
    usage: z.object({
      inputTokens: z.number(),
      outputTokens: z.number(),
      cacheReadTokens: z.number(),
      cacheWriteTokens: z.number(),
    }),
    costUsd: z.number().nullable(),
    estimatedUsd: z.number().optional(),
    diffStat: Stat,
    leftOut: LeftOutList.optional(),
    plan: z
      .array(z.object({ text: z.string(), state: z.enum(PLAN_STATES) }))
      .optional()
      .openapi({ description: 'What the agent means to do and how far it is' }),
    workers: z.enum(['polling', 'none']),
    createdAt: Time,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .openapi('Task')

export const TaskListSchema = listOf(TaskSchema)

export const AcceptedSchema = z
  .object({
    taskId: z.string(),
    messageId: z.string(),
    conversationId: z.string(),
    projectId: z.string(),
    joined: z.boolean(),
    cursor: z.number(),
    eventsUrl: z.string(),
  })
  .openapi('Accepted')

export const CheckpointSchema = z
  .object({
    id: z.string(),
    taskId: z.string().nullable().openapi({ description: 'null for one that records a restore' }),
    turn: z.number(),
    treeHash: z.string(),
    label: z.string(),
    stat: Stat,
    restoredFrom: z.string().optional().openapi({ description: 'The checkpoint whose files came back' }),
    droppedAt: Time.optional().openapi({ description: 'Since when its files are not kept any more' }),
    createdAt: Time,
  })
  .openapi('Checkpoint')
export const CheckpointListSchema = listOf(CheckpointSchema)

const MAX_CHOSEN_PATHS = 1_000

export const RestoreBody = z
  .strictObject({
    paths: z
      .array(FilePath)
      .min(1)
      .max(MAX_CHOSEN_PATHS)
      .optional()
      .openapi({ description: 'All files when left out' }),
  })
  .openapi('Restore')

export const ForkBody = z
  .strictObject({ into: z.enum(['conversation', 'project']), name: cleanText(200).optional() })
  .openapi('Fork')

export const DiffSchema = z
  .object({
    from: z.string().nullable(),
    to: z.string().nullable(),
    stat: Stat,
    files: z.array(
      z.object({ path: z.string(), kind: z.string(), added: z.number(), removed: z.number(), binary: z.boolean() }),
    ),
    patch: z.string(),
    truncated: z.boolean(),
    leftOut: LeftOutList,
  })
  .openapi('Diff')

export const ContextSchema = z
  .object({
    markdown: z.string(),
    hash: z.string(),
    generatedAt: Time,
    tokens: z.number(),
    sources: z.array(z.string()),
  })
  .openapi('ProjectContext')

export const EnvironmentSchema = z
  .object({
    version: z.number(),
    network: z.object({ policy: z.enum(NETWORK_POLICIES), hosts: z.array(z.string()) }),
    approvals: z
      .object({
        commands: z.array(z.string()),
        paths: z.array(z.string()),
        hosts: z.array(z.string()),
        expiresInHours: z.number(),
        remembered: z.array(
          z.object({
            kind: z.enum(['command', 'path']),
            subject: z.string(),
            decision: z.enum(['approve', 'deny']),
            at: Time,
          }),
        ),
      })
      .openapi({ description: 'What needs a person before it is done' }),
    setup: z.object({
      enabled: z.boolean(),
      commands: z.array(
        z.object({
          name: z.string(),
          command: z.string(),
          cwd: z.string().optional(),
          source: z.enum(['detected', 'custom']),
        }),
      ),
    }),
    variables: z.array(z.object({ name: z.string(), value: z.string() })),
    services: z.array(z.object({ name: z.string(), command: z.string(), port: z.number().optional() })),
    status: z.object({
      state: z.enum(['never', 'running', 'ready', 'failed', 'stale', 'none']),
      at: z.string().optional(),
      durationMs: z.number().optional(),
      exitCode: z.number().optional(),
      output: z.string().optional(),
    }),
    registries: z
      .array(z.object({ tool: z.string(), hosts: z.array(z.string()) }))
      .openapi({ description: "What this host's package managers said that they use" }),
    toolchains: z.array(z.object({ name: z.string(), version: z.string() })),
    leftOut: z.array(z.object({ path: z.string(), reason: z.string() })),
    workspace: z.enum(['read', 'unavailable']).openapi({ description: 'Whether the files could be looked at' }),
    proposal: z
      .object({ path: z.string(), text: z.string() })
      .optional()
      .openapi({ description: "The project's own wish, which holds nothing until a person takes it over" }),
  })
  .openapi('Environment')

export const ServiceParams = ProjectParams.extend({ serviceId: IdSchema })
export const ServiceBody = z
  .strictObject({
    name: cleanText(100)
      .refine((name) => !/[\r\n]/.test(name), 'must be one line')
      .optional()
      .openapi({ description: "Alone: one of the environment's services; with a command: what it is called" }),
    command: cleanText(MAX_SERVICE_COMMAND_CHARACTERS).optional(),
    port: z.number().int().min(1).max(65_535).optional().openapi({ description: 'The port that its preview shows' }),
  })
  .refine(({ name, command }) => name !== undefined || command !== undefined, {
    path: ['command'],
    message: "give a command, or the name of one of the environment's services",
  })
  .openapi('NewService')
export const ServiceSchema = z
  .object({
    id: z.string(),
    projectId: z.string(),
    name: z.string(),
    command: z.string(),
    state: z.enum(['starting', 'listening', 'exited', 'stopped']),
    port: z.number().nullable().openapi({ description: 'The port that its preview shows' }),
    ports: z.array(z.number()).openapi({ description: 'All that it listens on, at most 16' }),
    startedBy: z.enum(['user', 'agent']),
    exitCode: z.number().nullable(),
    reason: z.string().optional(),
    tail: z.string().openapi({ description: 'The end of its output' }),
    createdAt: Time,
    endedAt: Time.nullable(),
  })
  .openapi('Service')
export const ServicesSchema = z.object({
  items: z.array(ServiceSchema),
  nextAfter: z.string().nullable(),
  limits: z.object({ perProject: z.number(), perHost: z.number() }),
})
export const PreviewSchema = z
  .object({
    url: z.string(),
    origin: z.string(),
    form: z.enum(['host', 'path']).openapi({
      description: 'path: no host name below ours can be had, so absolute paths of the page lead elsewhere',
    }),
    expiresInSeconds: z.number().nullable().openapi({ description: 'null: as long as the service runs' }),
  })
  .openapi('Preview')
export const ServiceLogSchema = z
  .object({ serviceId: z.string(), text: z.string(), sizeBytes: z.number(), truncated: z.boolean() })
  .openapi('ServiceLog')

export const CriteriaSchema = z
  .object({
    version: z.number(),
    criteria: z.array(
      z.object({
        id: z.string(),
        text: z.string(),
        severity: z.string(),
        enabled: z.boolean(),
        precision: z.number().optional().openapi({ description: 'Confirmed among the findings that people judged' }),
        judged: z.number().optional(),
      }),
    ),
    checks: z.array(
      z.object({ name: z.string(), command: z.string(), enabled: z.boolean(), source: z.enum(['detected', 'custom']) }),
    ),
    leftOut: z
      .array(z.object({ name: z.string(), command: z.string().optional(), reason: z.string() }))
      .openapi({ description: 'Checks that are not run, each with its reason' }),
    maxFixRounds: z.number(),
    enabled: z.boolean(),
    workspace: z.enum(['read', 'unavailable']).openapi({ description: 'Whether the files could be looked at' }),
    proposal: z
      .object({ path: z.string(), text: z.string(), hash: z.string() })
      .optional()
      .openapi({ description: "The project's own REVIEW.md, which holds nothing until a person takes it over" }),
  })
  .openapi('ReviewCriteria')

export const ProposalParams = ProjectParams.extend({ proposalId: IdSchema })
export const ProposalBody = z.strictObject({ decision: z.enum(['accept', 'decline']) })
export const ProposalsSchema = z
  .object({
    items: z.array(
      z.object({
        id: z.string(),
        kind: z.enum(['reword', 'weaken', 'drop', 'add']),
        criterion: z
          .object({ id: z.string(), text: z.string(), severity: z.string(), enabled: z.boolean() })
          .openapi({ description: 'The criterion as it would be' }),
        reason: z.string(),
        findings: z.array(z.string()).openapi({ description: 'Ids of the judged findings that it rests on' }),
      }),
    ),
    nextAfter: z.null(),
  })
  .openapi('CriteriaProposals')
export const ProposalDecisionSchema = z
  .object({ decision: z.enum(['accept', 'decline']), version: z.number() })
  .openapi('CriteriaProposalDecision')

export const FindingParams = z.object({ findingId: IdSchema })
export const FindingBody = z.strictObject({
  verdict: z.enum(['confirm', 'dismiss']),
  reason: cleanText(2_000).optional(),
})
export const FindingSchema = z
  .object({ id: z.string(), severity: z.string(), state: z.string() })
  .loose()
  .openapi('Finding')

export const MemorySchema = z
  .object({
    version: z.number(),
    facts: z.array(z.object({ id: z.string(), text: z.string(), createdAt: Time })),
  })
  .openapi('Memory')

const EditedFact = z.strictObject({
  id: IdSchema.optional().openapi({ description: 'Of a fact that is kept or changed; left out for a new one' }),
  text: cleanText(MAX_FACT_CHARACTERS).transform(tidy),
  createdAt: Time.optional().openapi({ description: 'May stand here as the GET gave it; it does not change' }),
})

export const MemoryBody = z
  .strictObject({ facts: z.array(EditedFact).max(MAX_FACTS).superRefine(refuseRepeats) })
  .openapi('NewMemory')

/** One fact of a project's memory. */
export const FactParams = ProjectParams.extend({ factId: IdSchema })

function refuseRepeats(
  facts: readonly { readonly id?: string | undefined; readonly text: string }[],
  context: z.RefinementCtx,
) {
  const seen = new Set<string>()
  for (const [index, { id, text }] of facts.entries()) {
    for (const [field, value] of [
      ['id', id],
      ['text', text.toLowerCase()],
    ] as const) {
      if (value === undefined) continue
      if (seen.has(`${field} ${value}`)) {
        context.addIssue({ code: 'custom', path: [index, field], message: 'stands here twice' })
      }
      seen.add(`${field} ${value}`)
    }
  }
}

export const TreeSchema = z
  .object({
    path: z.string(),
    entries: z.array(z.object({ name: z.string(), path: z.string(), kind: z.string(), sizeBytes: z.number() })),
    truncated: z.boolean(),
  })
  .openapi('FileTree')

export const ContentSchema = z
  .object({
    path: z.string(),
    sizeBytes: z.number(),
    encoding: z.enum(['utf-8', 'base64']),
    content: z.string(),
    binary: z.boolean(),
    truncated: z.boolean(),
  })
  .openapi('FileContent')

export const EnvelopeSchema = z
  .object({
    v: z.literal(1),
    type: z.string(),
    seq: z.number().optional(),
    projectId: z.string(),
    conversationId: z.string().optional(),
    taskId: z.string().optional(),
    turn: z.number().optional(),
    at: z.number(),
  })
  .loose()
  .openapi('StreamEvent', { description: 'The JSON in the data field of each frame; the frame is named by its topic' })

export const HealthSchema = z.object({ status: z.string(), parts: z.record(z.string(), z.string()).optional() })

/** `by` and `detail` may name this host's users and paths: only who has the token is told them. */
export const ReadySchema = HealthSchema.extend({
  sandbox: z
    .object({
      kind: z.string(),
      ok: z.boolean(),
      detail: z.string().optional(),
      protections: z.array(
        z.object({ name: z.string(), holds: z.boolean(), by: z.string().optional(), detail: z.string().optional() }),
      ),
    })
    .nullable(),
})

function isHttpsUrl(text: string): boolean {
  if (!/^https:\/\/[^\s\p{Cc}]+$/u.test(text) || !URL.canParse(text)) return false
  const url = new URL(text)
  return url.protocol === 'https:' && url.username === '' && url.password === '' && url.hostname !== ''
}
