#!/usr/bin/env node
/** The terminal's client: posts a message, shows the work, ends with a code that says how it went. */

import { randomUUID } from 'node:crypto'
import { loadChatConfig } from '../config.ts'
import { isTerminalType, type StreamEvent } from '../events/topics.ts'
import { type Api, ApiError, createApi } from './api.ts'
import { clean } from './clean-text.ts'
import { type ChatOptions, parseOptions, USAGE, UsageError } from './options.ts'
import { createPrinter, type Printer } from './printer.ts'
import { postMessage } from './task-stream.ts'

const EXIT = { good: 0, bad: 1, notAsked: 2, cancelled: 130 } as const
const GOOD_OUTCOMES = new Set(['approved', 'approved_with_notes', 'no_changes'])
const PAGE = 200
const MAX_PAGES = 100

async function main(): Promise<number> {
  const { home, noColor } = loadChatConfig(process.env)
  const options = parseOptions(process.argv.slice(2))
  if (options === null) {
    process.stdout.write(USAGE)
    return EXIT.good
  }
  // With --json standard output holds the events and nothing else.
  const notes = options.json ? process.stderr : process.stdout
  const printer = createPrinter((text) => notes.write(text), { color: notes.isTTY && !noColor })
  return await chat(createApi(home), options, printer)
}

async function chat(api: Api, options: ChatOptions, printer: Printer): Promise<number> {
  const leave = new AbortController()
  const project = await findProject(api, options)
  const conversationId = options.newConversation ? await newConversation(api, project.id) : undefined
  const { taskId, events } = await postMessage(
    api,
    project.id,
    {
      message: options.message,
      clientMessageId: randomUUID(),
      ...(conversationId === undefined ? {} : { conversationId }),
      ...(options.model === undefined ? {} : { model: options.model }),
    },
    leave.signal,
  )
  printer.note(`${clean(project.name)} · ${taskId}`, 'dim')
  const stopListening = cancelOnInterrupt(api, taskId, printer, leave)
  try {
    let end: StreamEvent | undefined
    for await (const event of events) {
      if (options.json) process.stdout.write(`${JSON.stringify(event)}\n`)
      else printer.print(event)
      if (isTerminalType(event.type)) end = event
    }
    return end === undefined ? await exitCodeByTask(api, taskId, options) : exitCodeOf(end, options)
  } catch (error) {
    if (leave.signal.aborted) return EXIT.cancelled
    throw error
  } finally {
    stopListening()
  }
}

/** The first Ctrl-C asks for the task's end and goes on showing it, so that its confirmation is seen; the second leaves. */
function cancelOnInterrupt(api: Api, taskId: string, printer: Printer, leave: AbortController): () => void {
  let isAsked = false
  const onInterrupt = (): void => {
    if (isAsked) {
      leave.abort()
      return
    }
    isAsked = true
    const reason = 'Cancelled from the terminal.'
    api.insist('POST', `/api/tasks/${taskId}/cancel`, { reason }).catch((error: unknown) => {
      if (error instanceof ApiError && error.code === 'task_over') return
      printer.note(`The task could not be cancelled: ${messageOf(error)}`, 'red')
    })
  }
  process.on('SIGINT', onInterrupt)
  return () => process.removeListener('SIGINT', onInterrupt)
}

function exitCodeOf(end: StreamEvent, options: ChatOptions): number {
  if (end.type === 'task.cancelled') return EXIT.cancelled
  return end.type === 'task.completed' ? exitCodeByOutcome(end.outcome, options) : EXIT.bad
}

/** For a stream that could not be read to its end. */
async function exitCodeByTask(api: Api, taskId: string, options: ChatOptions): Promise<number> {
  const task = await api.insist<{ status: string; outcome?: string }>('GET', `/api/tasks/${taskId}`)
  if (task.status === 'cancelled') return EXIT.cancelled
  return task.status === 'completed' ? exitCodeByOutcome(task.outcome ?? '', options) : EXIT.bad
}

function exitCodeByOutcome(outcome: string, options: ChatOptions): number {
  const isGood = options.expectApproved ? outcome === 'approved' : GOOD_OUTCOMES.has(outcome)
  return isGood ? EXIT.good : EXIT.bad
}

interface Project {
  readonly id: string
  readonly name: string
  readonly source: { readonly kind: string }
}

async function findProject(api: Api, options: ChatOptions): Promise<Project> {
  if (options.freshSample) return await newSample(api)
  const projects = await allProjects(api)
  const wanted = options.project
  const found = projects.findLast(({ id, name, source }) =>
    wanted === undefined ? source.kind === 'sample' : id === wanted || name === wanted,
  )
  if (found !== undefined) return found
  if (wanted === undefined || wanted === 'sample') return await newSample(api)
  throw new UsageError(`There is no project "${wanted}".`)
}

async function allProjects(api: Api): Promise<Project[]> {
  const projects: Project[] = []
  let after = ''
  for (let page = 0; page < MAX_PAGES; page++) {
    const path = `/api/projects?limit=${PAGE}&after=${encodeURIComponent(after)}`
    const { items, nextAfter } = await api.insist<{ items: Project[]; nextAfter: string | null }>('GET', path)
    projects.push(...items)
    if (nextAfter === null) break
    after = nextAfter
  }
  return projects
}

async function newSample(api: Api): Promise<Project> {
  return await api.call<Project>('POST', '/api/projects', { name: 'sample', source: { kind: 'sample' } })
}

async function newConversation(api: Api, projectId: string): Promise<string> {
  const path = `/api/workspace/${encodeURIComponent(projectId)}/conversations`
  return (await api.call<{ id: string }>('POST', path, {})).id
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Sets the code and lets the process end by itself, so that what was written to a pipe still gets out. */
process.stdout.on('error', () => process.exit(EXIT.bad))
main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const hint = error instanceof UsageError ? `\n\n${USAGE}` : '\n'
    process.stderr.write(`${clean(messageOf(error))}${hint}`)
    process.exitCode = EXIT.notAsked
  },
)
