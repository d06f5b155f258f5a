import { z } from 'zod'
import { answerText } from '../approvals/answer-text.ts'
import type { ApprovalDetail } from '../shared/approval.ts'
import { defineTool, refusal } from './define-tool.ts'

const MINUTE_MS = 60_000
/** People may be away for a week and answer then. */
const DEFAULT_MINUTES = 14 * 24 * 60
const MAX_MINUTES = 30 * 24 * 60
const MIN_MINUTES = 0.01

const line = z
  .string()
  .max(200)
  .refine((value) => value.trim() !== '', 'must not be empty')

const AskInputSchema = z
  .strictObject({
    question: z
      .string()
      .max(1_000)
      .refine((value) => value.trim() !== '', 'must not be empty')
      .describe('One question, with what a person needs to know to answer it.'),
    options: z.array(line).min(2).max(6).optional().describe('Answers to choose from. Leave out for free text.'),
    allow_other: z.boolean().optional().describe('Whether an answer beside the options is taken too. Default false.'),
    default: line.optional().describe('What you go on with when nobody answers in time; one of the options, if any.'),
    expires_in_minutes: z
      .number()
      .min(MIN_MINUTES)
      .max(MAX_MINUTES)
      .optional()
      .describe(`How long to wait for an answer. Default ${DEFAULT_MINUTES}, which is two weeks.`),
  })
  .superRefine(({ options, default: chosen }, context) => {
    const trimmed = (options ?? []).map((option) => option.trim())
    if (new Set(trimmed).size < trimmed.length)
      context.addIssue({ code: 'custom', path: ['options'], message: 'must differ from one another' })
    if (chosen !== undefined && options !== undefined && !trimmed.includes(chosen.trim()))
      context.addIssue({ code: 'custom', path: ['default'], message: 'must be one of the options' })
  })

type AskInput = z.infer<typeof AskInputSchema>

/**
 * Asks a person. The task waits, for days if need be, and the answer is this call's result, once. Repeating the call with
 * the same tool-use id meets the same question.
 */
export const ask = defineTool<AskInput>({
  name: 'ask',
  description: [
    'Asks the user one question and waits for the answer, which may take days. Ask only what you cannot find out yourself',
    'and what would be dear to guess wrong: a choice that the request leaves open, something that cannot be undone.',
    'Offer two to six options where you can, and a default that you would take yourself. At most 20 questions a task.',
  ].join('\n'),
  schema: AskInputSchema,
  readOnly: true,
  asksPerson: (input) => ({
    kind: 'question',
    title: input.question,
    detail: detailOf(input),
    expiresMs: (input.expires_in_minutes ?? DEFAULT_MINUTES) * MINUTE_MS,
  }),
  run: (_input, { decided }) =>
    Promise.resolve(
      decided === null
        ? refusal('Nobody can be asked here. Decide yourself, and say at the end what you assumed.')
        : { content: answerText(decided), isError: false },
    ),
})

function detailOf(input: AskInput): ApprovalDetail {
  return {
    question: input.question.trim(),
    ...(input.options === undefined ? {} : { options: input.options.map((option) => option.trim()) }),
    ...(input.options !== undefined && input.allow_other === true ? { allowsText: true } : {}),
    ...(input.default === undefined ? {} : { default: input.default.trim() }),
  }
}
