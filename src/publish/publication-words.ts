/** The words of a publication: its commit's message and its pull request's text, and the dates that both carry. */

import { z } from 'zod'
import type { Publication } from '../db/task/publications.ts'
import { readTaskRecords } from '../db/task/task-records.ts'
import { getTask } from '../db/task/tasks.ts'
import { noSuch } from '../shared/refusals.ts'
import { asPublished } from './change-text.ts'
import { guardedBody } from './mail-patch.ts'
import type { PublishDeps } from './publish-work.ts'
import { pullRequestText } from './pull-request-text.ts'

const AGENT_EMAIL = 'agent@keelson.invalid'

/** What was asked for, as the route wrote it. */
const Wish = z.object({ title: z.string().optional(), body: z.string().optional() })

/** The pull request’s text; the title is in the publication’s row, and only one that was asked for replaces a later one. */
export async function pullRequestWords(
  { db }: PublishDeps,
  publication: Publication,
): Promise<{ body: string; isTitleNamed: boolean }> {
  const task = await getTask(db, publication.taskId)
  const [record] = await readTaskRecords(db, [task.id])
  if (record === undefined) throw noSuch('task')
  const { title, body: own } = Wish.parse(JSON.parse(publication.request))
  const shown = asPublished(task, publication.treeHash)
  const body = pullRequestText({ task: shown, record, own, publicationId: publication.id })
  return { body, isTitleNamed: title !== undefined }
}

/** The commit’s message: the title, and which model did the work. The same row gives the same text. */
export async function commitMessage({ db }: PublishDeps, publication: Publication): Promise<string> {
  const { model } = await getTask(db, publication.taskId)
  const agent = model.replace(/[^\w .@/:-]/g, '').slice(0, 80)
  return `${publication.title}\n\n${guardedBody(publication.body)}\nCo-authored-by: Keelson (${agent}) <${AGENT_EMAIL}>\n`
}

/** A date as git reads it from the environment: seconds, in UTC. */
export function gitDate(date: Date): string {
  return `${Math.floor(date.getTime() / 1000)} +0000`
}
