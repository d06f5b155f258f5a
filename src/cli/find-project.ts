import type { Api } from './api.ts'
import type { ChatOptions } from './options.ts'
import { UsageError } from './usage-error.ts'

const PAGE = 200
const MAX_PAGES = 100

/** A project as the client needs it. */
export interface ChosenProject {
  readonly id: string
  readonly name: string
  readonly source: { readonly kind: string; readonly url?: string; readonly ref?: string }
  readonly activeTaskId: string | null
}

/** The project that the options name: the newest sample one by default, made when there is none. Throws {@link UsageError}. */
export async function findProject(
  api: Api,
  options: Pick<ChatOptions, 'project' | 'freshSample' | 'git' | 'ref'>,
): Promise<ChosenProject> {
  if (options.freshSample) return await newSample(api)
  if (options.git !== undefined) return await projectOfRepository(api, options.git, options.ref)
  const projects = await allProjects(api)
  const wanted = options.project
  const found = projects.findLast(({ id, name, source }) =>
    wanted === undefined ? source.kind === 'sample' : id === wanted || name === wanted,
  )
  if (found !== undefined) return found
  if (wanted === undefined || wanted === 'sample') return await newSample(api)
  throw new UsageError(`There is no project "${wanted}".`)
}

/** The newest project of a repository and ref, made when there is none. */
async function projectOfRepository(api: Api, url: string, ref: string | undefined): Promise<ChosenProject> {
  const found = (await allProjects(api)).findLast(
    ({ source }) =>
      source.kind === 'git' && source.url !== undefined && isSameRepository(source.url, url) && source.ref === ref,
  )
  if (found !== undefined) return found
  const last = url.replace(/\/+$/, '').split('/').at(-1) ?? ''
  const name = `${last.replace(/\.git$/, '') || 'repository'}${ref === undefined ? '' : ` (${ref})`}`
  const source = { kind: 'git', url, ...(ref === undefined ? {} : { ref }) }
  return await api.call<ChosenProject>('POST', '/api/projects', { name: name.slice(0, 200), source })
}

/** All projects, oldest first. Throws `ApiError`. */
export async function allProjects(api: Api): Promise<ChosenProject[]> {
  const projects: ChosenProject[] = []
  let after = ''
  for (let page = 0; page < MAX_PAGES; page++) {
    const path = `/api/projects?limit=${PAGE}&after=${encodeURIComponent(after)}`
    const { items, nextAfter } = await api.insist<{ items: ChosenProject[]; nextAfter: string | null }>('GET', path)
    projects.push(...items)
    if (nextAfter === null) break
    after = nextAfter
  }
  return projects
}

async function newSample(api: Api): Promise<ChosenProject> {
  return await api.call<ChosenProject>('POST', '/api/projects', { name: 'sample', source: { kind: 'sample' } })
}

/** Begins a conversation and returns its id. */
export async function newConversation(api: Api, projectId: string): Promise<string> {
  const path = `/api/workspace/${encodeURIComponent(projectId)}/conversations`
  return (await api.call<{ id: string }>('POST', path, {})).id
}

/** Hosts give out one repository under an address with and without `.git`, and look at no case in their own name. */
function isSameRepository(one: string, other: string): boolean {
  const plain = (address: string) =>
    (URL.canParse(address) ? new URL(address).href : address).replace(/\/+$/, '').replace(/\.git$/, '')
  return plain(one) === plain(other)
}
