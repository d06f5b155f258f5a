import type { Decided } from './person-ask.ts'

/** What the model reads as the result of its question. Pure. */
export function answerText({ state, detail, answer, note }: Decided): string {
  const said = note === null || note.trim() === '' ? '' : ` They added: ${note.trim()}`
  if (state === 'answered' && answer !== null) return `The user answers: ${answer}${said}`
  if (state === 'denied') return `The user leaves this to you: decide yourself, and name it at the end.${said}`
  const nobody = 'Nobody answered in time.'
  return detail.default === undefined
    ? `${nobody} Decide yourself, and say at the end what you assumed.`
    : `${nobody} Your default holds: ${detail.default}`
}
