/** Commands of the terminal's client that begin with a slash: they ask the server and never the model. */

import { writeFile } from 'node:fs/promises'
import { allowHost } from './allow-host.ts'
import { choose, compare, newestComparison, showComparison, wishOf } from './alternatives.ts'
import type {
  CriteriaAnswer,
  CriteriaProposalsAnswer,
  DiffAnswer,
  EnvironmentAnswer,
  EvidenceAnswer,
  MemoryAnswer,
  ProjectContextAnswer,
  ServiceAnswer,
  ServicesAnswer,
  SyncAnswer,
  TaskAnswer,
} from './answers.ts'
import { ApiError } from './api.ts'
import { answer, approve, askAtTerminal, deny, waiting } from './approvals.ts'
import { checkpoints, restoreTo } from './checkpoints.ts'
import { clean } from './clean-text.ts'
import { confirmChange } from './confirm-change.ts'
import { EXIT } from './exit-codes.ts'
import { columns } from './grammar/columns.ts'
import { publishTask, showPublication } from './publish-work.ts'
import { raiseTo } from './raise-budget.ts'
import type { Session } from './session.ts'
import {
  showContext,
  showCost,
  showCriteria,
  showDiff,
  showEnvironment,
  showEvidence,
  showFiles,
  showMemory,
  showProposals,
  showServices,
  showSync,
} from './show.ts'
import { UsageError } from './usage-error.ts'

/** Most usages fit. */
const USAGE_WIDTH = 16
/** A fetch, a merge and the writing of files. */
const SYNC_TIMEOUT_MS = 600_000

type Run = (session: Session, argument: string) => Promise<number>

interface Command {
  readonly usage: string
  readonly what: string
  readonly takesArgument?: boolean
  readonly run: Run
}

const COMMANDS: Readonly<Record<string, Command>> = {
  undo: { usage: '/undo', what: 'take back what the last task changed in the files', run: undo },
  checkpoints: { usage: '/checkpoints', what: 'the files as they were before, newest last', run: checkpoints },
  restore: {
    usage: '/restore ID',
    what: 'take the files back to a checkpoint',
    takesArgument: true,
    run: restoreTo,
  },
  diff: { usage: '/diff [path]', what: 'what the newest task changed', takesArgument: true, run: diff },
  evidence: { usage: '/evidence', what: 'what ran in the newest task, and what its words rest on', run: evidence },
  context: { usage: '/context', what: 'what the agent is told about the project', run: context },
  env: { usage: '/env', what: 'network, set-up and variables of the project', run: env },
  allow: {
    usage: '/allow HOST',
    what: 'let the project’s commands reach a host',
    takesArgument: true,
    run: allowHost,
  },
  setup: { usage: '/setup', what: 'run the project’s set-up again', run: setup },
  sync: {
    usage: '/sync [markers]',
    what: 'merge what came upstream; with markers also where it conflicts',
    takesArgument: true,
    run: sync,
  },
  publish: {
    usage: '/publish [fork] [pr|draft] [BRANCH]',
    what: 'push what the newest task changed; with pr also a pull request, with fork from your own fork',
    takesArgument: true,
    run: publish,
  },
  patch: {
    usage: '/patch [FILE]',
    what: 'write what the newest task changed for git am',
    takesArgument: true,
    run: patch,
  },
  alternatives: {
    usage: '/alternatives [MODEL|COUNT …] [evidence] | diff NUMBER',
    what: 'have the newest task tried again by models, or so many times; alone, how the tries stand; with diff, what one of them changed',
    takesArgument: true,
    run: alternatives,
  },
  choose: {
    usage: '/choose NUMBER|none',
    what: 'choose one of the alternatives; 0 is the task’s own result',
    takesArgument: true,
    run: chooseOne,
  },
  criteria: {
    usage: '/criteria [accept ID | decline ID]',
    what: 'what reviews look for; what is proposed for them is taken over or not',
    takesArgument: true,
    run: criteria,
  },
  memory: { usage: '/memory', what: 'what the project remembers', run: memory },
  forget: { usage: '/forget ID', what: 'make the project forget a fact', takesArgument: true, run: forget },
  services: {
    usage: '/services [start COMMAND | stop ID | restart ID | log ID | open ID]',
    what: 'dev servers of the project: what runs, and what to do with it',
    takesArgument: true,
    run: services,
  },
  waiting: { usage: '/waiting', what: 'what waits for you, in all projects', run: waiting },
  answer: { usage: '/answer [ID] TEXT', what: 'answer a question of the agent', takesArgument: true, run: answer },
  approve: {
    usage: '/approve [ID] [task|always]',
    what: 'let the agent do what waits',
    takesArgument: true,
    run: approve,
  },
  deny: { usage: '/deny [ID] [WHY]', what: 'do not let it, or leave a question to it', takesArgument: true, run: deny },
  budget: {
    usage: '/budget AMOUNT [turns|minutes]',
    what: 'a new total for the newest task, in dollars or else; one that waits for it goes on',
    takesArgument: true,
    run: budget,
  },
  cost: { usage: '/cost', what: 'tokens and dollars of the newest task and of the project', run: cost },
  help: { usage: '/help', what: 'this list', run: help },
}

/** Whether a text is meant as a command: `/word`, not a path such as `/etc/hosts`. */
export function isCommand(text: string): boolean {
  return /^\/[a-z]+(\s|$)/i.test(text)
}

/** Runs a command and returns the exit code. Throws {@link UsageError} for an unknown one, {@link ApiError}. */
export async function runCommand(session: Session, text: string): Promise<number> {
  const [, name = '', argument = ''] = /^\/(\S+)\s*([\s\S]*)$/.exec(text.trim()) ?? []
  const command = Object.hasOwn(COMMANDS, name.toLowerCase()) ? COMMANDS[name.toLowerCase()] : undefined
  if (command === undefined) throw new UsageError(`There is no command /${name}; /help lists them.`)
  if (argument !== '' && command.takesArgument !== true) throw new UsageError(`${command.usage} takes nothing more.`)
  return await command.run(session, argument.trim())
}

async function help(session: Session): Promise<number> {
  if (session.options.json) {
    session.writeJson(Object.values(COMMANDS).map(({ usage, what }) => ({ usage, what })))
    return EXIT.good
  }
  const lines = Object.values(COMMANDS).flatMap(({ usage, what }) => columns(usage, what, USAGE_WIDTH))
  for (const line of lines) session.printer.note(line)
  return EXIT.good
}

async function undo(session: Session): Promise<number> {
  const { api, options, printer, project } = session
  const next = await api.insist<{ taskId: string | null }>('GET', `${workspaceOf(session)}/undo`)
  if (next.taskId === null) {
    if (options.json) session.writeJson(next)
    printer.note(`There is nothing to undo in ${project.id}.`)
    return EXIT.bad
  }
  const changes = await api.insist<DiffAnswer>('GET', `/api/tasks/${next.taskId}/diff`)
  showFiles(printer, changes)
  if (!(await confirmChange(session, 'Take these changes back?', 'undo'))) return EXIT.bad
  const done = await api.call<{ checkpoint: { id: string } }>('POST', `/api/tasks/${next.taskId}/undo`, {})
  if (options.json) session.writeJson({ taskId: next.taskId, ...done })
  printer.note(`Undone; recorded as ${done.checkpoint.id}. Git's commits and installed dependencies stay.`, 'green')
  return EXIT.good
}

async function diff(session: Session, path: string): Promise<number> {
  const task = await newestTask(session)
  if (task === null) return EXIT.bad
  const only = path === '' ? '' : `?path=${encodeURIComponent(path)}`
  const changes = await session.api.insist<DiffAnswer>('GET', `/api/tasks/${task.id}/diff${only}`)
  if (session.options.json) session.writeJson(changes)
  else showDiff(session.printer, changes)
  return EXIT.good
}

async function evidence(session: Session): Promise<number> {
  const task = await newestTask(session)
  if (task === null) return EXIT.bad
  const found = await session.api.insist<EvidenceAnswer>('GET', `/api/tasks/${task.id}/evidence`)
  if (session.options.json) session.writeJson(found)
  else showEvidence(session.printer, found)
  return EXIT.good
}

async function context(session: Session): Promise<number> {
  const found = await known(() => session.api.insist<ProjectContextAnswer>('GET', `${workspaceOf(session)}/context`))
  if (found === null) {
    session.printer.note('The project has not been read yet; its first task does that.')
    return EXIT.bad
  }
  if (session.options.json) session.writeJson(found)
  else showContext(session.printer, found)
  return EXIT.good
}

async function criteria(session: Session, argument: string): Promise<number> {
  if (argument !== '') return await decideProposal(session, argument)
  const found = await session.api.insist<CriteriaAnswer>('GET', `${workspaceOf(session)}/review-criteria`)
  const proposals = await session.api.insist<CriteriaProposalsAnswer>(
    'GET',
    `${workspaceOf(session)}/review-criteria/proposals`,
  )
  if (session.options.json) session.writeJson({ ...found, proposals: proposals.items })
  else {
    showCriteria(session.printer, found)
    showProposals(session.printer, proposals)
  }
  return EXIT.good
}

async function decideProposal(session: Session, argument: string): Promise<number> {
  const [, decision = '', proposalId = ''] = /^(accept|decline)\s+(\S+)$/.exec(argument) ?? []
  if (decision === '') throw new UsageError('/criteria takes nothing, accept ID or decline ID.')
  const path = `${workspaceOf(session)}/review-criteria/proposals/${encodeURIComponent(proposalId)}`
  const decided = await session.api.call<{ version: number }>('POST', path, { decision })
  if (session.options.json) session.writeJson(decided)
  const how = decision === 'accept' ? 'Accepted' : 'Declined'
  session.printer.note(`${how}; the criteria are at version ${decided.version}.`, 'green')
  return EXIT.good
}

async function budget(session: Session, argument: string): Promise<number> {
  const task = await newestTask(session)
  return task === null ? EXIT.bad : await raiseTo(session, task.id, argument)
}

async function env(session: Session): Promise<number> {
  const found = await session.api.insist<EnvironmentAnswer>('GET', `${workspaceOf(session)}/environment`)
  if (session.options.json) session.writeJson(found)
  else showEnvironment(session.printer, found)
  return EXIT.good
}

async function setup(session: Session): Promise<number> {
  const asked = await session.api.call<{ taskId: string | null }>(
    'POST',
    `${workspaceOf(session)}/environment/setup`,
    {},
  )
  if (session.options.json) session.writeJson(asked)
  const when = asked.taskId === null ? 'now' : 'by the running task at its next turn'
  session.printer.note(`The set-up is run ${when}; /env shows how it ended.`)
  return EXIT.good
}

async function sync(session: Session, how: string): Promise<number> {
  if (how !== '' && how !== 'markers') throw new UsageError('/sync takes nothing, or markers.')
  const body = { onConflict: how === '' ? 'refuse' : how }
  const synced = await session.api.call<SyncAnswer>('POST', `${workspaceOf(session)}/sync`, body, SYNC_TIMEOUT_MS)
  if (session.options.json) session.writeJson(synced)
  else showSync(session.printer, synced)
  return EXIT.good
}

async function publish(session: Session, argument: string): Promise<number> {
  const words = argument.split(/\s+/).filter((word) => word !== '')
  const isFork = words[0] === 'fork' && words.shift() !== undefined
  const mark = words[0] === 'pr' || words[0] === 'draft' ? words.shift() : undefined
  const [branch, ...more] = words
  if (more.length > 0) throw new UsageError('/publish takes fork, then pr or draft, and the name of a branch.')
  const task = await newestTask(session)
  if (task === null) return EXIT.bad
  const wish = {
    pullRequest: mark !== undefined,
    draft: mark === 'draft',
    ...(isFork ? { fork: true } : {}),
    ...(branch === undefined ? {} : { branch }),
  }
  const publication = await publishTask(session.api, task.id, wish, async (approvalId) => {
    return (await askAtTerminal(session, approvalId)) ? 'wait' : 'leave'
  })
  if (session.options.json) session.writeJson(publication)
  return showPublication(session.printer, publication) ? EXIT.good : EXIT.bad
}

async function patch(session: Session, file: string): Promise<number> {
  const task = await newestTask(session)
  if (task === null) return EXIT.bad
  const name = file === '' ? `${task.id}.patch` : file
  const mailbox = await session.api.download(`/api/tasks/${encodeURIComponent(task.id)}/patch`)
  try {
    await writeFile(name, mailbox, { flag: 'wx' })
  } catch (error) {
    throw new UsageError(`${name} cannot be written (it must not be there yet).`, { cause: error })
  }
  if (session.options.json) session.writeJson({ taskId: task.id, file: name, bytes: mailbox.length })
  session.printer.note(`Written to ${name}: git am ${name}`)
  return EXIT.good
}

async function alternatives(session: Session, argument: string): Promise<number> {
  const words = argument.split(/\s+/).filter((word) => word !== '')
  const tasks = await newestTasks(session)
  const [newest] = tasks
  if (newest === undefined) return EXIT.bad
  if (words[0] === 'diff') return await alternativeDiff(session, tasks, words.slice(1))
  const comparison =
    words.length === 0 ? await newestComparison(session.api, tasks) : await compare(session.api, newest, wishOf(words))
  if (session.options.json) session.writeJson(comparison)
  else showComparison(session.printer, comparison)
  return comparison.state === 'failed' ? EXIT.bad : EXIT.good
}

async function alternativeDiff(session: Session, tasks: readonly string[], words: readonly string[]): Promise<number> {
  const [index = '', ...more] = words
  if (!/^\d{1,2}$/.test(index) || more.length > 0) {
    throw new UsageError('/alternatives diff takes the number of an alternative; 0 is the task’s own result.')
  }
  const { id } = await newestComparison(session.api, tasks)
  const path = `/api/comparisons/${encodeURIComponent(id)}/alternatives/${index}/diff`
  const changes = await session.api.insist<DiffAnswer>('GET', path)
  if (session.options.json) session.writeJson(changes)
  else showDiff(session.printer, changes)
  return EXIT.good
}

async function chooseOne(session: Session, what: string): Promise<number> {
  const tasks = await newestTasks(session)
  if (tasks.length === 0) return EXIT.bad
  const { id } = await newestComparison(session.api, tasks)
  const comparison = await choose(session.api, id, what)
  if (session.options.json) session.writeJson(comparison)
  else showComparison(session.printer, comparison)
  return EXIT.good
}

async function memory(session: Session): Promise<number> {
  const found = await session.api.insist<MemoryAnswer>('GET', `${workspaceOf(session)}/memory`)
  if (session.options.json) session.writeJson(found)
  else showMemory(session.printer, found)
  return EXIT.good
}

async function forget(session: Session, factId: string): Promise<number> {
  if (factId === '') throw new UsageError('/forget takes the id of a fact; /memory lists them.')
  const path = `${workspaceOf(session)}/memory/${encodeURIComponent(factId)}`
  const left = await session.api.call<MemoryAnswer>('DELETE', path)
  if (session.options.json) session.writeJson(left)
  else showMemory(session.printer, left)
  return EXIT.good
}

const SERVICE_ACTIONS = 'start COMMAND, stop ID, restart ID, log ID or open ID'

async function services(session: Session, argument: string): Promise<number> {
  const { api, options, printer } = session
  const path = `${workspaceOf(session)}/services`
  const [, action = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(argument) ?? []
  const one = `${path}/${encodeURIComponent(rest)}`
  if (action !== '' && rest === '') throw new UsageError(`/services takes ${SERVICE_ACTIONS}.`)
  switch (action) {
    case '': {
      const found = await api.insist<ServicesAnswer>('GET', path)
      if (options.json) session.writeJson(found)
      else showServices(printer, found.items)
      return EXIT.good
    }
    case 'start':
    case 'restart': {
      const made =
        action === 'start'
          ? await api.call<ServiceAnswer>('POST', path, { command: rest })
          : await api.call<ServiceAnswer>('POST', `${one}/restart`, {})
      if (options.json) session.writeJson(made)
      else showServices(printer, [made])
      return EXIT.good
    }
    case 'stop':
      await api.call('DELETE', one)
      printer.note(`${rest} is stopped.`)
      return EXIT.good
    case 'log': {
      const log = await api.insist<{ text: string }>('GET', `${one}/log`)
      if (options.json) session.writeJson(log)
      else printer.note(clean(log.text).trimEnd())
      return EXIT.good
    }
    case 'open': {
      const address = await api.call<{ url: string }>('POST', `${one}/preview`, {})
      if (options.json) session.writeJson(address)
      else printer.note(`Open this in a browser within a minute: ${clean(address.url)}`)
      return EXIT.good
    }
    default:
      throw new UsageError(`/services takes ${SERVICE_ACTIONS}.`)
  }
}

async function cost(session: Session): Promise<number> {
  const task = await newestTask(session)
  if (task === null) return EXIT.bad
  const metrics = await known(() =>
    session.api.insist<{ costUsd: number | null }>('GET', `${workspaceOf(session)}/metrics`),
  )
  if (session.options.json) session.writeJson({ task, ...(metrics === null ? {} : { metrics }) })
  else showCost(session.printer, task, metrics)
  return EXIT.good
}

/** Ids of the newest tasks, newest first. */
async function newestTasks(session: Session): Promise<string[]> {
  const path = `${workspaceOf(session)}/tasks?limit=20&order=newest`
  const { items } = await session.api.insist<{ items: TaskAnswer[] }>('GET', path)
  if (items.length === 0) session.printer.note('This project has had no task yet.')
  return items.map(({ id }) => id)
}

async function newestTask(session: Session): Promise<TaskAnswer | null> {
  const path = `${workspaceOf(session)}/tasks?limit=1&order=newest`
  const [task] = (await session.api.insist<{ items: TaskAnswer[] }>('GET', path)).items
  if (task !== undefined) return task
  session.printer.note('This project has had no task yet.')
  return null
}

/** null for what the server does not have. */
async function known<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null
    throw error
  }
}

function workspaceOf({ project }: Session): string {
  return `/api/workspace/${encodeURIComponent(project.id)}`
}
