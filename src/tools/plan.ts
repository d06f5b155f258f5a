import { z } from 'zod'
import { PLAN_STATES } from '../shared/plan.ts'
import { defineTool } from './define-tool.ts'

const MAX_ITEMS = 30

const PlanInputSchema = z.strictObject({
  items: z
    .array(
      z.strictObject({
        text: z
          .string()
          .max(200)
          .refine((value) => value.trim() !== '', 'must not be empty')
          .describe('One step, in a few words.'),
        state: z.enum(PLAN_STATES).describe('pending, in_progress, done, or dropped when it is not needed any more.'),
      }),
    )
    .min(1)
    .max(MAX_ITEMS)
    .describe('The whole plan, in order; it takes the place of the one before.'),
})

type PlanInput = z.infer<typeof PlanInputSchema>

/** Shows people what the agent means to do and how far it is. The newest plan outlasts a compaction. Safe to repeat. */
export const plan = defineTool<PlanInput>({
  name: 'plan',
  description: [
    'Shows the user your plan and how far it is. Use it for work of three steps or more: once before you begin, and again',
    'whenever a step is done or the plan changes, always with all items. Call it beside other tools, not alone.',
  ].join('\n'),
  schema: PlanInputSchema,
  readOnly: true,
  run({ items }) {
    const cleaned = items.map(({ text, state }) => ({ text: text.replaceAll(/\s+/g, ' ').trim(), state }))
    const done = cleaned.filter(({ state }) => state === 'done' || state === 'dropped').length
    return Promise.resolve({
      content: `The plan is shown: ${done} of ${cleaned.length} items are settled.`,
      isError: false,
      plan: cleaned,
    })
  },
})
