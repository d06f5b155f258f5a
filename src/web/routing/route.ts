/** Addresses to places and back. Pure: every place of the page can be linked, and a reload stands where it was. */

import { PANEL_NAMES, type PanelTarget, REVIEW_VIEWS } from '../panels/panel.ts'

/** A place of the page; null: the first project, or its newest conversation. */
export interface Route {
  readonly projectId: string | null
  readonly conversationId: string | null
  readonly target: PanelTarget | null
}

/** Stands in the address in place of a conversation that its first message will make. */
export const NEW_CONVERSATION = 'new'

/** The place of an address that names nothing. */
export const HOME: Route = { projectId: null, conversationId: null, target: null }

const ID = /^[\w.:-]{1,128}$/
const PATH = /^\/p\/([^/]+)(?:\/c\/([^/]+))?\/?$/

/** An address that names nothing is home. */
export function parseRoute(pathname: string, search: string): Route {
  const [, project = '', conversation = ''] = PATH.exec(pathname) ?? []
  const projectId = idOf(project)
  if (projectId === null) return HOME
  return { projectId, conversationId: idOf(conversation), target: parseTarget(new URLSearchParams(search)) }
}

/** The path and search of a place; `parseRoute` leads back to it. Pure. */
export function formatRoute({ projectId, conversationId, target }: Route): string {
  if (projectId === null) return '/'
  const path = `/p/${encodeURIComponent(projectId)}`
  const conversation = conversationId === null ? '' : `/c/${encodeURIComponent(conversationId)}`
  return `${path}${conversation}${formatTarget(target)}`
}

function idOf(text: string): string | null {
  try {
    const id = decodeURIComponent(text)
    return ID.test(id) ? id : null
  } catch {
    return null
  }
}

function parseTarget(search: URLSearchParams): PanelTarget | null {
  const panel = PANEL_NAMES.find((name) => name === search.get('tab'))
  if (panel === undefined) return null
  const text = (name: string): string | undefined => search.get(name)?.slice(0, 4_096) || undefined
  const number = (name: string): number | undefined => {
    const value = search.get(name) ?? ''
    return /^\d{1,9}$/.test(value) ? Number(value) : undefined
  }
  const found = {
    panel,
    taskId: text('task'),
    file: text('file'),
    line: number('line'),
    checkpointId: text('checkpoint'),
    toCheckpointId: text('to'),
    toolUseId: text('command'),
    round: number('round'),
    view: REVIEW_VIEWS.find((name) => name === search.get('view')),
    turn: number('turn'),
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as unknown as PanelTarget
}

function formatTarget(target: PanelTarget | null): string {
  if (target === null) return ''
  const values: Readonly<Record<string, string | number | undefined>> = {
    tab: target.panel,
    task: target.taskId,
    file: target.file,
    line: target.line,
    checkpoint: target.checkpointId,
    to: target.toCheckpointId,
    command: target.toolUseId,
    round: target.round,
    view: target.view,
    turn: target.turn,
  }
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined) search.set(name, String(value))
  return `?${search.toString()}`
}
