import { setTimeout as delay } from 'node:timers/promises'
import type { Api } from '../api.ts'
import { cleanLine } from '../clean-text.ts'
import { allProjects } from '../find-project.ts'
import { type Candidate, completeWords, type LookUp } from '../grammar/complete-words.ts'
import type { Command } from './command.ts'
import { newestTasks } from './newest-tasks.ts'

const MAX_TASKS = 20
const ANSWER_MS = 2_000

/** The candidates for the last word as lines for the shells' scripts: the word, a tab, what it is. */
export async function completionLines(
  words: readonly string[],
  commands: readonly Command[],
  api: Api,
): Promise<string> {
  const found = await completeWords(words, commands, lookUpIn(api))
  return found.map(({ word, what }) => `${word}\t${what}\n`).join('')
}

function lookUpIn(given: Api): LookUp {
  // Once is enough: nobody waits for a server that is being started again.
  const api: Api = { ...given, insist: given.call }
  return {
    projects: () =>
      orNothing(async () => (await allProjects(api)).map(({ id, name }) => ({ word: id, what: cleanLine(name) }))),
    tasks: () =>
      orNothing(async () => {
        const found = await newestTasks(api, await allProjects(api), MAX_TASKS)
        return found.map(({ project, task }) => ({ word: task.id, what: `${task.status}, ${cleanLine(project.name)}` }))
      }),
  }
}

/** A shell that completes a word has no place for a sentence: without an answer in time nothing is offered. */
async function orNothing(ask: () => Promise<readonly Candidate[]>): Promise<readonly Candidate[]> {
  const late = delay(ANSWER_MS, [], { ref: false })
  try {
    return await Promise.race([ask(), late])
  } catch {
    return []
  }
}
