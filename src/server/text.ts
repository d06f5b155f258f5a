import { z } from '@hono/zod-openapi'

/** Text that Postgres and the model can both take: no NUL, no half of a surrogate pair, not only white space. */
export function nonBlankText(maxCharacters: number) {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = problemOf(text, maxCharacters)
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    })
    .openapi({ minLength: 1, maxLength: maxCharacters })
}

/** The same for text that may be empty or white space: file contents, for example. */
export function wellFormedText(maxCharacters: number) {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = text === '' ? undefined : malformation(text, maxCharacters)
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    })
    .openapi({ maxLength: maxCharacters })
}

function problemOf(text: string, maxCharacters: number): string | undefined {
  if (text.trim() === '') return text === '' ? 'must not be empty' : 'must not be only white space'
  return malformation(text, maxCharacters)
}

function malformation(text: string, maxCharacters: number): string | undefined {
  if (text.includes('\0')) return 'must not contain NUL characters'
  if (/\p{Surrogate}/u.test(text)) return 'must be well-formed Unicode (it holds half of a surrogate pair)'
  if (text.length > maxCharacters && countCharacters(text) > maxCharacters) {
    return `must be at most ${maxCharacters.toLocaleString('en-US')} characters`
  }
  return undefined
}

function countCharacters(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}
