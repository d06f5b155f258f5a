const MAX_BYTES = 240
const MAX_SLUG = 40

/**
 * Why git, or a service that keeps repositories, refuses a name for a branch, as a sentence; null: it takes it. What
 * `git check-ref-format` says, and what looks like an option, a commit or a ref of another kind. Pure.
 */
export function refusedBranch(name: string): string | null {
  if (name === '' || Buffer.byteLength(name) > MAX_BYTES) return `must have 1 to ${MAX_BYTES} bytes`
  if (name.startsWith('-')) return 'must not begin with -'
  if (name.startsWith('refs/')) return 'must be the name alone, without refs/'
  if (name === '@' || /^(HEAD|FETCH_HEAD|ORIG_HEAD|MERGE_HEAD)$/i.test(name))
    return 'is a name that git keeps for itself'
  if (/^[0-9a-f]{40}([0-9a-f]{24})?$/i.test(name)) return 'must not look like a commit’s id'
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name))
    return 'must not hold blanks, control characters or any of ~ ^ : ? * [ \\'
  if (name.includes('..') || name.includes('@{') || name.includes('//')) return 'must not hold .. or @{ or //'
  if (name.startsWith('/') || name.endsWith('/') || name.endsWith('.'))
    return 'must not begin or end with / or end with a dot'
  if (name.split('/').some((part) => part.startsWith('.') || part.endsWith('.lock'))) {
    return 'must have no part that begins with a dot or ends with .lock'
  }
  return null
}

/** Letters, digits and dashes out of any title, at most 40; `work` when nothing is left. Pure. */
export function slugOf(title: string): string {
  const slug = title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replaceAll('ß', 'ss')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, MAX_SLUG)
    .replace(/-+$/, '')
  return slug === '' ? 'work' : slug
}
