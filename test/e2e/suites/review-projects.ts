/**
 * Tiny projects with planted defects and traps, each played through the whole service by a coder and a reviewer that
 * follow a list. It proves what the harness does with their words, not that a model would find the defects.
 */

import { beforeAll, describe, expect, test } from 'vitest'
import type { Finding } from '../../../src/shared/review.ts'
import { scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { GO } from './review-projects/go.ts'
import { JAVASCRIPT, TYPESCRIPT } from './review-projects/javascript.ts'
import type { ReviewProject } from './review-projects/project.ts'
import { PYTHON } from './review-projects/python.ts'
import { SHELL } from './review-projects/shell.ts'

const PROJECTS = [...TYPESCRIPT, ...JAVASCRIPT, ...PYTHON, ...GO, ...SHELL]
/** So many tasks run at once. */
const LANES = 4

interface Round {
  readonly verdict: string
  readonly treeHash: string
  readonly checks: readonly { readonly name: string; readonly status: string }[]
  readonly findings: readonly Finding[]
  readonly rolledBackTo?: string
}

interface Played {
  readonly projectId: string
  readonly taskId: string
}

export function reviewProjectsSuite(stack: TestStack): void {
  describe('tiny projects with planted traps', () => {
    const played = new Map<string, Promise<Played>>()

    // All are begun at once and each test waits for its own.
    beforeAll(() => {
      const lanes = Array.from({ length: LANES }, () => Promise.resolve())
      for (const [index, project] of PROJECTS.entries()) {
        const mine = (lanes[index % LANES] ?? Promise.resolve()).then(() => play(stack, project))
        played.set(project.name, mine)
        lanes[index % LANES] = mine.then(
          () => undefined,
          () => undefined,
        )
      }
    })

    test.each(PROJECTS.map((project) => [project.name, project.trap, project] as const))(
      '%s: %s',
      async (name, _trap, project) => {
        const { api } = stack
        const { projectId, taskId } = (await played.get(name)) ?? { projectId: '', taskId: '' }
        const task = await api.ended(taskId)
        const { rounds } = await api.get<{ rounds: Round[] }>(`/api/tasks/${taskId}/review`)
        const { items } = await api.get<{ items: { treeHash: string }[] }>(`/api/tasks/${taskId}/checkpoints`)
        const { ends } = project
        expect(outlineOf(ends, task.outcome, rounds)).toEqual(ends)
        expect(await deliveredOf(stack, projectId, ends.delivered ?? {})).toEqual(
          Object.fromEntries(Object.keys(ends.delivered ?? {}).map((path) => [path, 'as it should be'])),
        )
        // Whatever the verdict: what is delivered is what was judged, in as many rounds as were allowed.
        const judged = rounds.length === 0 ? items.at(-1)?.treeHash : task.review.treeHash
        expect(judged).toBe(items.at(-1)?.treeHash)
        expect(rounds.length).toBeLessThanOrEqual(task.review.maxFixRounds + 1)
      },
    )
  })
}

async function play({ api }: TestStack, project: ReviewProject): Promise<Played> {
  const projectId = await api.newProject({ kind: 'files', files: project.files })
  if (project.settings !== undefined) await saveSettings(api, projectId, project.settings)
  const { taskId } = await api.chat(projectId, { message: scriptOf(project.turns, project.reviews) })
  await api.ended(taskId)
  return { projectId, taskId }
}

/** Lays settings over a project's criteria. */
export async function saveSettings(api: TestStack['api'], projectId: string, settings: object): Promise<void> {
  const path = `/api/workspace/${projectId}/review-criteria`
  const { body, headers } = await api.call<object>('GET', path)
  const answer = await api.call('PUT', path, { ...body, ...settings }, { 'if-match': headers.get('etag') ?? '' })
  expect(answer).toMatchObject({ status: 200 })
}

/** What came out, in the shape of what was expected: fields that a project leaves out are not compared. */
function outlineOf(ends: ReviewProject['ends'], outcome: string | undefined, rounds: readonly Round[]): object {
  const rolledBack = rounds.flatMap((round, index) => (round.rolledBackTo === undefined ? [] : [index + 1]))
  const all = {
    outcome,
    rounds: rounds.map((round) => round.verdict),
    checks: Object.fromEntries((rounds.at(-1)?.checks ?? []).map((check) => [check.name, check.status])),
    findings: rounds
      .flatMap((round) => round.findings)
      .map((finding) => [finding.criterionId ?? null, finding.severity, finding.state]),
    rolledBack,
    delivered: ends.delivered,
  }
  return Object.fromEntries(
    Object.entries(all).filter(
      ([name]) => Object.hasOwn(ends, name) || (name === 'rolledBack' && rolledBack.length > 0),
    ),
  )
}

async function deliveredOf(
  { api }: TestStack,
  projectId: string,
  delivered: Readonly<Record<string, string | null>>,
): Promise<Record<string, string>> {
  const found = Object.entries(delivered).map(async ([path, piece]) => {
    const file = `/api/workspace/${projectId}/files/content?path=${encodeURIComponent(path)}`
    const { status, body } = await api.call<{ content: string }>('GET', file)
    const isRight = piece === null ? status === 404 : status === 200 && body.content.includes(piece)
    return [path, isRight ? 'as it should be' : `${status}: ${body.content}`]
  })
  return Object.fromEntries(await Promise.all(found)) as Record<string, string>
}
