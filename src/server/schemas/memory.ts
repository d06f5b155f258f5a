/** What a project remembers. */

import { z } from '@hono/zod-openapi'
import { MAX_FACT_CHARACTERS, MAX_FACTS } from '../../shared/memory.ts'
import { oneLine } from '../../shared/text/one-line.ts'
import { nonBlankText } from '../text.ts'
import { IdSchema, ProjectParams, Time } from './fields.ts'

/** What a project remembers. */
export const MemorySchema = z
  .object({
    version: z.number(),
    facts: z.array(z.object({ id: z.string(), text: z.string(), createdAt: Time })),
  })
  .openapi('Memory')

const EditedFact = z.strictObject({
  id: IdSchema.optional().openapi({ description: 'Of a fact that is kept or changed; left out for a new one' }),
  text: nonBlankText(MAX_FACT_CHARACTERS).transform((text) => oneLine(text)),
  createdAt: Time.optional().openapi({ description: 'May stand here as the GET gave it; it does not change' }),
})

/** All that a project is to remember from now on. */
export const MemoryBody = z
  .strictObject({ facts: z.array(EditedFact).max(MAX_FACTS).superRefine(refuseRepeats) })
  .openapi('NewMemory')

/** One fact of a project's memory. */
export const FactParams = ProjectParams.extend({ factId: IdSchema })

function refuseRepeats(
  facts: readonly { readonly id?: string | undefined; readonly text: string }[],
  context: z.RefinementCtx,
) {
  const seen = new Set<string>()
  for (const [index, { id, text }] of facts.entries()) {
    for (const [field, value] of [
      ['id', id],
      ['text', text.toLowerCase()],
    ] as const) {
      if (value === undefined) continue
      if (seen.has(`${field} ${value}`)) {
        context.addIssue({ code: 'custom', path: [index, field], message: 'stands here twice' })
      }
      seen.add(`${field} ${value}`)
    }
  }
}
