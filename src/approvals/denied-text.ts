import type { Decided } from './person-ask.ts'

/** What the model reads instead of the result of a call that was not let through. Pure. */
export function deniedText({ state, note }: Pick<Decided, 'state' | 'note'>): string {
  const said = note === null || note.trim() === '' ? '' : ` They say: ${note.trim()}`
  const why = state === 'denied' ? 'The user denied this.' : 'Nobody approved this in time, so it was not done.'
  return `${why}${said} Nothing was changed. Go on without it, or find another way that does not need it; do not try the same again.`
}
