import { useEffect, useSyncExternalStore } from 'react'
import { api } from '../api/client.ts'
import { faultOf } from '../api/fault.ts'
import type { Project, ProjectSource } from '../api/types.ts'

/** The projects, oldest first, and how their reading went; the list stays when a later reading fails. */
export interface ProjectList {
  readonly status: 'loading' | 'ready' | 'failed'
  readonly projects: readonly Project[]
  readonly error: unknown
}

/** Other projects have no stream here, so their dots are as old as this at most. */
const REFRESH_MS = 15_000

let list: ProjectList = { status: 'loading', projects: [], error: null }
const listeners = new Set<() => void>()

function set(next: ProjectList): void {
  list = next
  for (const listener of listeners) listener()
}

/** Reads the projects anew. Never throws: a failure stands in the list beside what is known. */
export async function refreshProjects(): Promise<void> {
  try {
    set({ status: 'ready', projects: await api.listProjects(), error: null })
  } catch (error) {
    set({ ...list, status: list.status === 'ready' ? 'ready' : 'failed', error: faultOf(error) })
  }
}

/** All projects, kept fresh while somebody looks. */
export function useProjects(): ProjectList {
  useEffect(() => {
    void refreshProjects()
    const timer = setInterval(() => {
      if (!document.hidden) void refreshProjects()
    }, REFRESH_MS)
    return () => clearInterval(timer)
  }, [])
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => list,
  )
}

/** Makes a project and puts it into the list. Throws `ApiFault`. */
export async function makeProject(name: string, source: ProjectSource): Promise<Project> {
  const project = await api.createProject(name, source)
  set({ ...list, status: 'ready', projects: [...list.projects, project] })
  return project
}

/** The newest sample project; made when there is none. Throws `ApiFault`. */
export async function sampleProject(): Promise<Project> {
  const projects = await api.listProjects()
  const known = projects.findLast(({ source }) => source.kind === 'sample')
  return known ?? (await makeProject('tabsplit (sample)', { kind: 'sample' }))
}
