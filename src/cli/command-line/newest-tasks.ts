import type { ListedTask } from '../answers.ts'
import { type Api, ApiError } from '../api.ts'
import { allProjects, type ChosenProject } from '../find-project.ts'

/** Projects that are asked at once. */
const AT_ONCE = 8

/** A task and the project it belongs to. */
export interface TaskOfProject {
  readonly project: ChosenProject
  readonly task: ListedTask
}

/** The projects that an option names: that one, or all. Throws {@link ApiError} when there is none of that name. */
export async function projectsNamed(api: Api, wanted: string | undefined): Promise<readonly ChosenProject[]> {
  const projects = await allProjects(api)
  if (wanted === undefined) return projects
  const found = projects.findLast(({ id, name }) => id === wanted || name === wanted)
  if (found === undefined)
    throw new ApiError(`There is no project "${wanted}"; keelson projects lists them.`, 404, 'not_found')
  return [found]
}

/** The newest tasks of these projects, newest first, at most `limit`. */
export async function newestTasks(
  api: Api,
  projects: readonly ChosenProject[],
  limit: number,
): Promise<TaskOfProject[]> {
  const found: TaskOfProject[] = []
  for (let from = 0; from < projects.length; from += AT_ONCE) {
    const pages = projects.slice(from, from + AT_ONCE).map(async (project) => {
      const path = `/api/workspace/${encodeURIComponent(project.id)}/tasks?limit=${limit}&order=newest`
      const { items } = await api.insist<{ items: ListedTask[] }>('GET', path)
      return items.map((task) => ({ project, task }))
    })
    found.push(...(await Promise.all(pages)).flat())
    // Ids begin with their time.
    found.sort((a, b) => (a.task.id < b.task.id ? 1 : -1))
    found.splice(limit)
  }
  return found
}

/** The id of the newest task of these projects. Throws {@link ApiError} when there was none yet. */
export async function newestTaskId(api: Api, projects: readonly ChosenProject[]): Promise<string> {
  const [newest] = await newestTasks(api, projects, 1)
  if (newest === undefined) throw new ApiError('There was no task yet; keelson chat "…" starts one.', 404, 'not_found')
  return newest.task.id
}
