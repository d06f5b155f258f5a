/** A repository as its service names it. */
export interface Repository {
  /** As credentials name it. */
  readonly host: string
  /** Its page, without `.git`. */
  readonly url: string
  /** `group/subgroup` at GitLab. */
  readonly owner: string
  readonly name: string
}

/** Reads the address of a repository; null when it has no owner and name. Pure. */
export function repositoryOf(url: string, host: string): Repository | null {
  const { origin, pathname } = new URL(url)
  const parts = pathname
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .split('/')
    .filter((part) => part !== '')
  const name = parts.at(-1)
  if (name === undefined || parts.length < 2) return null
  return {
    host,
    url: `${origin}/${parts.join('/')}`,
    owner: parts.slice(0, -1).map(decodeURIComponent).join('/'),
    name: decodeURIComponent(name),
  }
}
