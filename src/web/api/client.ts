import type { EnvironmentBody } from '../../shared/environment.ts'
import { queryString, request, send } from './request.ts'
import type {
  Accepted,
  ApiEvidence,
  ApiMessage,
  ApiReview,
  ApiService,
  ApiTask,
  Approval,
  Budget,
  ChatRequest,
  Checkpoint,
  Comparison,
  ComparisonBody,
  Conversation,
  Credential,
  CriteriaProposal,
  DecisionBody,
  Diff,
  FileContent,
  FileListing,
  Finding,
  Instance,
  Metrics,
  MetricsBucket,
  Page,
  PreviewAddress,
  Project,
  ProjectContext,
  ProjectEnvironment,
  ProjectSource,
  Publication,
  PublishWish,
  Readiness,
  ReviewCriteria,
  Synced,
  TaskEnding,
} from './types.ts'

const PAGE = 200
const MAX_PAGES = 500
const PATCH_TIMEOUT_MS = 120_000
/** Longer than the server's own limit for a sync, so that what it says is heard. */
const SYNC_TIMEOUT_MS = 6 * 60_000

const at = (...parts: readonly string[]): string => `/api/${parts.map(encodeURIComponent).join('/')}`
const workspace = (projectId: string, ...parts: readonly string[]): string => at('workspace', projectId, ...parts)

/** Follows the cursor to the end of a list, at most 100,000 items. */
async function all<Item>(read: (after: string | undefined) => Promise<Page<Item>>): Promise<Item[]> {
  const items: Item[] = []
  let after: string | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const { items: more, nextAfter } = await read(after)
    items.push(...more)
    if (nextAfter === null) break
    after = nextAfter
  }
  return items
}

/**
 * The HTTP contract, one function a route. Each throws `ApiFault`. A `signal` ends the call when its answer is no longer
 * wanted. What may be repeated safely is what HTTP says; a chat message by its `clientMessageId`.
 */
export const api = {
  instance: (signal?: AbortSignal) => request<Instance>('/api/instance', { signal }),
  readiness: (signal?: AbortSignal) => request<Readiness>('/readyz', { signal }),
  exchangeSetupToken: (setupToken: string) =>
    request<undefined>('/api/session', { method: 'POST', body: { setupToken } }),
  exchangeApiToken: (apiToken: string) => request<undefined>('/api/session', { method: 'POST', body: { apiToken } }),
  /** Ends this browser's sign-in on the server. */
  signOut: () => request<undefined>('/api/sign-out', { method: 'POST', body: {} }),

  listProjects: (signal?: AbortSignal) =>
    all((after) => request<Page<Project>>(`/api/projects${queryString({ limit: PAGE, after })}`, { signal })),
  getProject: (projectId: string, signal?: AbortSignal) => request<Project>(at('projects', projectId), { signal }),
  createProject: (name: string, source: ProjectSource) =>
    request<Project>('/api/projects', { method: 'POST', body: { name, source } }),
  renameProject: (projectId: string, name: string) =>
    request<Project>(at('projects', projectId), { method: 'PATCH', body: { name } }),
  deleteProject: (projectId: string) => request<undefined>(at('projects', projectId), { method: 'DELETE' }),

  listCredentials: (signal?: AbortSignal) => request<Page<Credential>>('/api/credentials', { signal }),
  addCredential: (credential: {
    readonly kind: Credential['kind']
    readonly host: string
    readonly username?: string
    readonly value: string
  }) => request<Credential>('/api/credentials', { method: 'POST', body: credential }),
  deleteCredential: (credentialId: string) => request<undefined>(at('credentials', credentialId), { method: 'DELETE' }),

  listConversations: (projectId: string, signal?: AbortSignal) =>
    all((after) =>
      request<Page<Conversation>>(`${workspace(projectId, 'conversations')}${queryString({ limit: PAGE, after })}`, {
        signal,
      }),
    ),
  createConversation: (projectId: string, title?: string) =>
    request<Conversation>(workspace(projectId, 'conversations'), {
      method: 'POST',
      body: title === undefined ? {} : { title },
    }),
  listMessages: (
    conversationId: string,
    options: { after?: string | undefined; order?: 'oldest' | 'newest' } = {},
    signal?: AbortSignal,
  ) =>
    request<Page<ApiMessage>>(
      `${at('conversations', conversationId, 'messages')}${queryString({ limit: PAGE, ...options })}`,
      {
        signal,
      },
    ),
  /** Throws `message_claimed` when the agent has read it. Safe to repeat. */
  withdrawMessage: (conversationId: string, messageId: string) =>
    request<undefined>(at('conversations', conversationId, 'messages', messageId), { method: 'DELETE' }),

  sendMessage: (projectId: string, body: ChatRequest, signal?: AbortSignal) =>
    request<Accepted>(workspace(projectId, 'claude', 'chat'), { method: 'POST', body, signal }),

  getTask: (taskId: string, signal?: AbortSignal) => request<ApiTask>(at('tasks', taskId), { signal }),
  cancelTask: (taskId: string, reason?: string) =>
    request<{ status: string }>(at('tasks', taskId, 'cancel'), {
      method: 'POST',
      body: reason === undefined ? {} : { reason },
    }),
  raiseBudget: (taskId: string, budget: Budget) =>
    request<ApiTask>(at('tasks', taskId, 'budget'), { method: 'POST', body: budget }),
  undoTask: (taskId: string) => request<unknown>(at('tasks', taskId, 'undo'), { method: 'POST', body: {} }),
  publishTask: (taskId: string, wish: PublishWish) =>
    request<{ publicationId: string }>(at('tasks', taskId, 'publish'), { method: 'POST', body: wish }),
  listPublications: (projectId: string, taskId: string, signal?: AbortSignal) =>
    all((after) =>
      request<Page<Publication>>(
        `${workspace(projectId, 'publications')}${queryString({ taskId, after, limit: PAGE })}`,
        {
          signal,
        },
      ),
    ),
  /** Throws `sync_conflict` with the paths: nothing has changed then. */
  syncProject: async (projectId: string, onConflict: 'refuse' | 'markers') =>
    await request<Synced>(workspace(projectId, 'sync'), { method: 'POST', body: { onConflict } }, SYNC_TIMEOUT_MS),
  readPatch: async (taskId: string) => await (await send(at('tasks', taskId, 'patch'), {}, PATCH_TIMEOUT_MS)).blob(),
  /** For a link: all files as they are. */
  archiveAddress: (projectId: string) => `${workspace(projectId, 'archive')}?format=zip`,
  getEvidence: (taskId: string, signal?: AbortSignal) =>
    request<ApiEvidence>(at('tasks', taskId, 'evidence'), { signal }),
  /** Evidence, comparisons and the newest publication at once. */
  getEnding: (taskId: string, signal?: AbortSignal) => request<TaskEnding>(at('tasks', taskId, 'ending'), { signal }),
  getReview: (taskId: string, signal?: AbortSignal) => request<ApiReview>(at('tasks', taskId, 'review'), { signal }),
  /** What the reviewer of a round said and looked at. */
  listReviewerMessages: (taskId: string, round: number, signal?: AbortSignal) =>
    request<Page<ApiMessage>>(at('tasks', taskId, 'review', String(round), 'messages'), { signal }),
  listProjectCheckpoints: (projectId: string, signal?: AbortSignal) =>
    all((after) =>
      request<Page<Checkpoint>>(`${workspace(projectId, 'checkpoints')}${queryString({ limit: PAGE, after })}`, {
        signal,
      }),
    ),
  listCheckpoints: (taskId: string, signal?: AbortSignal) =>
    request<Page<Checkpoint>>(at('tasks', taskId, 'checkpoints'), { signal }),
  /** `context`: unchanged lines around each change. */
  getDiff: (
    taskId: string,
    asked: {
      from?: string | undefined
      to?: string | undefined
      path?: string | undefined
      context?: number | undefined
    } = {},
    signal?: AbortSignal,
  ) => request<Diff>(`${at('tasks', taskId, 'diff')}${queryString(asked)}`, { signal }),
  listComparisons: (taskId: string, signal?: AbortSignal) =>
    request<{ items: readonly Comparison[] }>(at('tasks', taskId, 'alternatives'), { signal }),
  startComparison: (taskId: string, body: ComparisonBody) =>
    request<Comparison>(at('tasks', taskId, 'alternatives'), { method: 'POST', body }),
  /** Throws `already_decided` when another was chosen, or none. */
  chooseAlternative: (comparisonId: string, index: number) =>
    request<Comparison>(at('comparisons', comparisonId, 'choose'), { method: 'POST', body: { index } }),
  cancelComparison: (comparisonId: string) =>
    request<unknown>(at('comparisons', comparisonId, 'cancel'), { method: 'POST', body: {} }),
  getAlternativeDiff: (
    comparisonId: string,
    index: number,
    asked: { path?: string; context?: number } = {},
    signal?: AbortSignal,
  ) =>
    request<Diff>(`${at('comparisons', comparisonId, 'alternatives', String(index), 'diff')}${queryString(asked)}`, {
      signal,
    }),
  judgeFinding: (findingId: string, verdict: 'confirm' | 'dismiss', reason?: string) =>
    request<Finding>(at('findings', findingId), {
      method: 'POST',
      body: { verdict, ...(reason === undefined ? {} : { reason }) },
    }),
  /** What waits for a person; null: in all projects. */
  listApprovals: (projectId: string | null, signal?: AbortSignal) =>
    request<Page<Approval>>(`/api/approvals${queryString({ projectId: projectId ?? undefined, limit: PAGE })}`, {
      signal,
    }),
  getApproval: (approvalId: string, signal?: AbortSignal) => request<Approval>(at('approvals', approvalId), { signal }),
  decide: (approvalId: string, body: DecisionBody) =>
    request<Approval>(at('approvals', approvalId), { method: 'POST', body }),

  restoreCheckpoint: (checkpointId: string) =>
    request<{ checkpoint: Checkpoint }>(at('checkpoints', checkpointId, 'restore'), { method: 'POST', body: {} }),
  forkCheckpoint: (checkpointId: string, into: 'conversation' | 'project', name?: string) =>
    request<Conversation | Project>(at('checkpoints', checkpointId, 'fork'), {
      method: 'POST',
      body: { into, ...(name === undefined ? {} : { name }) },
    }),

  getContext: (projectId: string, signal?: AbortSignal) =>
    request<ProjectContext>(workspace(projectId, 'context'), { signal }),
  regenerateContext: (projectId: string) =>
    request<{ status: string; taskId: string | null }>(workspace(projectId, 'context', 'regenerate'), {
      method: 'POST',
      body: {},
    }),
  /** Throws `not_found` when it is forgotten already. */
  forgetFact: (projectId: string, factId: string) =>
    request<unknown>(workspace(projectId, 'memory', factId), { method: 'DELETE' }),
  getCriteria: (projectId: string, signal?: AbortSignal) =>
    request<ReviewCriteria>(workspace(projectId, 'review-criteria'), { signal }),
  listCriteriaProposals: (projectId: string, signal?: AbortSignal) =>
    request<Page<CriteriaProposal>>(workspace(projectId, 'review-criteria', 'proposals'), { signal }),
  decideCriteriaProposal: (projectId: string, proposalId: string, decision: 'accept' | 'decline') =>
    request<{ readonly version: number }>(workspace(projectId, 'review-criteria', 'proposals', proposalId), {
      method: 'POST',
      body: { decision },
    }),
  /** Throws `version_conflict` when somebody saved in between; `version` is the one that was read. */
  saveCriteria: (
    projectId: string,
    version: number,
    criteria: Omit<ReviewCriteria, 'version' | 'workspace' | 'proposal'>,
  ) =>
    request<ReviewCriteria>(workspace(projectId, 'review-criteria'), {
      method: 'PUT',
      body: criteria,
      headers: { 'if-match': `"${version}"` },
    }),
  getEnvironment: (projectId: string, signal?: AbortSignal) =>
    request<ProjectEnvironment>(workspace(projectId, 'environment'), { signal }),
  /** Throws `version_conflict` when somebody saved in between; `version` is the one that was read. */
  saveEnvironment: (projectId: string, version: number, environment: EnvironmentBody) =>
    request<ProjectEnvironment>(workspace(projectId, 'environment'), {
      method: 'PUT',
      body: environment,
      headers: { 'if-match': `"${version}"` },
    }),
  requestSetup: (projectId: string) =>
    request<{ status: string; taskId: string | null }>(workspace(projectId, 'environment', 'setup'), {
      method: 'POST',
      body: {},
    }),
  listServices: (projectId: string, signal?: AbortSignal) =>
    request<Page<ApiService>>(workspace(projectId, 'services'), { signal }),
  /** Throws `service_limit` when as many run as may. The same command twice is one service. */
  startService: (projectId: string, given: { name?: string; command?: string; port?: number }) =>
    request<ApiService>(workspace(projectId, 'services'), { method: 'POST', body: given }),
  restartService: (projectId: string, serviceId: string) =>
    request<ApiService>(workspace(projectId, 'services', serviceId, 'restart'), { method: 'POST', body: {} }),
  stopService: (projectId: string, serviceId: string) =>
    request<undefined>(workspace(projectId, 'services', serviceId), { method: 'DELETE' }),
  serviceLog: (projectId: string, serviceId: string, signal?: AbortSignal) =>
    request<{ text: string }>(workspace(projectId, 'services', serviceId, 'log'), { signal }),
  openPreview: (projectId: string, serviceId: string) =>
    request<PreviewAddress>(workspace(projectId, 'services', serviceId, 'preview'), { method: 'POST', body: {} }),
  listFiles: (projectId: string, options: { path?: string; depth?: number } = {}, signal?: AbortSignal) =>
    request<FileListing>(`${workspace(projectId, 'files')}${queryString(options)}`, { signal }),
  readFile: (
    projectId: string,
    path: string,
    options: { offset?: number; length?: number } = {},
    signal?: AbortSignal,
  ) =>
    request<FileContent>(`${workspace(projectId, 'files', 'content')}${queryString({ path, ...options })}`, { signal }),
  getMetrics: (
    projectId: string,
    options: { from?: string; to?: string; bucket?: MetricsBucket } = {},
    signal?: AbortSignal,
  ) => request<Metrics>(`${workspace(projectId, 'metrics')}${queryString(options)}`, { signal }),
} as const
