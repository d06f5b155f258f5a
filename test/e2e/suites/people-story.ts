import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { publishWorkflowIdFor } from '../../../src/shared/publication.ts'
import { workflowIdFor } from '../../../src/shared/task.ts'
import type { GitHostFixture } from '../../support/git-host.ts'
import { scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

interface Waiting {
  readonly id: string
  readonly kind: string
  readonly taskId: string
  readonly projectId: string
  readonly publicationId?: string
}

interface Decision {
  readonly decision: 'approve' | 'deny' | 'answer'
  readonly answer?: string
}

/** One way for a person to decide. */
type Way = (about: Waiting, decision: Decision) => Promise<void>

export interface StoryBench {
  readonly stack: TestStack
  readonly git: GitHostFixture
  /** Runs the terminal's client with the words and answers its exit code. */
  readonly terminal: (...words: string[]) => Promise<number>
}

const CI = '.github/workflows/ci.yml'
const SCRIPT = scriptOf([
  { tools: [{ name: 'ask', input: { question: 'Which colour?', options: ['red', 'blue'], default: 'red' } }] },
  { tools: [{ name: 'write', input: { file_path: CI, content: 'on: push\n' } }] },
  { tools: [{ name: 'write', input: { file_path: 'ci-notes.md', content: 'By hand.\n' } }] },
  { text: 'Worked around it.' },
])

/**
 * The whole of what people are asked in one story: a question that is answered a week later by way of stores and processes
 * that were all down meanwhile, a path that is denied, a way around it, and a publication that waits for its approval. The
 * bench's functions are called once the tests run.
 */
export function peopleStorySuite(bench: () => StoryBench): void {
  const byApi: Way = async ({ id }, decision) => {
    expect((await bench().stack.api.call('POST', `/api/approvals/${id}`, decision)).status).toBe(200)
  }
  const byTerminal: Way = async ({ id, projectId }, { decision, answer = '' }) => {
    const line = `/${decision} ${id} ${answer}`.trim()
    expect(await bench().terminal('--project', projectId, '--json', line)).toBe(0)
  }
  const byTemporal: Way = async ({ id, taskId, publicationId }, decision) => {
    const { stack } = bench()
    const { address = '', namespace } = stack.state().temporal
    const workflowId = publicationId === undefined ? workflowIdFor(taskId) : publishWorkflowIdFor(publicationId)
    const to = ['--address', address, '--namespace', namespace, '--workflow-id', workflowId]
    const input = JSON.stringify({ approvalId: id, ...decision })
    const words = ['workflow', 'update', 'execute', ...to, '--name', 'resolveApproval', '--input', input]
    const env = { PATH: process.env['PATH'], HOME: stack.home }
    const program = process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? 'temporal'
    // The row is there a moment before the workflow knows of it.
    await waitFor(
      async () =>
        await promisify(execFile)(program, words, { env, timeout: 30_000 }).then(
          () => true,
          () => undefined,
        ),
      'the workflow takes the decision',
      60_000,
    )
  }

  const waiting = async (projectId: string, kind: string): Promise<Waiting> => {
    const path = `/api/approvals?projectId=${projectId}&status=open`
    return await waitFor(
      async () => (await bench().stack.api.get<{ items: Waiting[] }>(path)).items.find((item) => item.kind === kind),
      `${kind} waits`,
      60_000,
    )
  }

  /** A project whose policy holds back `.github/` and publishing, with a task that has asked. */
  const begin = async (name: string): Promise<{ projectId: string; taskId: string }> => {
    const { stack, git } = bench()
    git.repository(name, 'echo 1 > a.txt; git add -A; git commit -qm first')
    const projectId = await stack.api.newProject({ kind: 'git', url: `${git.origin}/${name}.git` })
    const path = `/api/workspace/${projectId}/environment`
    const { network, setup } = await stack.api.get<{ network: object; setup: object }>(path)
    const body = { network, setup, approvals: { paths: ['.github/'], publishing: true } }
    expect((await stack.api.call('PUT', path, body, { 'if-match': '"0"' })).status).toBe(200)
    const { taskId } = await stack.api.chat(projectId, { message: SCRIPT })
    await waitFor(async () => (await stack.api.task(taskId)).status === 'needs_answer', 'the task waits', 60_000)
    return { projectId, taskId }
  }

  const goOn = async ({ projectId, taskId }: { projectId: string; taskId: string }, decide: Way) => {
    const { api } = bench().stack
    await decide(await waiting(projectId, 'question'), { decision: 'answer', answer: 'blue' })
    await decide(await waiting(projectId, 'path'), { decision: 'deny' })
    const { status } = await api.ended(taskId, 120_000)
    const { publicationId } = await api.post<{ publicationId: string }>(`/api/tasks/${taskId}/publish`, {})
    const leave = await waiting(projectId, 'publish')
    const before = await api.get<{ step: string }>(`/api/publications/${publicationId}`)
    await decide(leave, { decision: 'approve' })
    const published = await waitFor(async () => {
      const found = await api.get<{ status: string; commit?: string }>(`/api/publications/${publicationId}`)
      return found.status === 'running' ? undefined : found
    }, 'it is published')
    const ledger = await api.get<{ decisions: { kind: string; status: string; answer?: string; by?: string }[] }>(
      `/api/tasks/${taskId}/evidence`,
    )
    const decisions = ledger.decisions.map(({ kind, status: how, answer, by }) => [kind, how, answer, by])
    return { status, before: before.step, published: published.status, decisions }
  }

  test('a task asks, is answered a week later after everything was down, is denied a path, works around it and is published once approved: by API, by terminal, by the temporal command alone', {
    timeout: 300_000,
  }, async () => {
    const { stack, git } = bench()
    const names = ['story-api', 'story-terminal', 'story-temporal'] as const
    const stories = await Promise.all(names.map(begin))
    await stack.halt()
    await stack.start()
    await stack.query(
      `UPDATE approvals SET requested_at = requested_at - interval '7 days', expires_at = expires_at - interval '7 days'
       WHERE project_id = ANY($1::text[])`,
      [stories.map(({ projectId }) => projectId)],
    )
    const ways = [byApi, byTerminal, byTemporal]
    const ends = await Promise.all(stories.map((story, nth) => goOn(story, ways[nth] ?? byApi)))
    const pushed = names.map((name) => {
      const log =
        'for b in $(git for-each-ref --format="%(refname)" refs/heads/keelson); do git diff --name-only HEAD $b; done'
      return git.inside(name, log).trim()
    })
    const told = (by: string) => ({
      status: 'completed',
      before: 'approving',
      published: 'finished',
      decisions: [
        ['question', 'answered', 'blue', by],
        ['path', 'denied', undefined, by],
        ['publish', 'approved', undefined, by],
      ],
    })
    expect({ ends, pushed }).toEqual({
      ends: [told('user'), told('user'), told('temporal')],
      pushed: ['ci-notes.md', 'ci-notes.md', 'ci-notes.md'],
    })
  })
}
