import { z } from 'zod'
import { cleanText, cutText } from '../shared/text/clean-text.ts'
import { defineTool } from './define-tool.ts'

/** The tool's name: a reply that calls it with an accepted input ends the review. */
export const SUBMIT_REVIEW = 'submit_review'

const MAX_FINDINGS = 30

// Too long a text is cut, not refused: asking again would cost a whole reply and gain nothing.
const text = (maxLength: number, description: string) =>
  z
    .string()
    .describe(description)
    .transform((value) => cutText(cleanText(value).trim(), maxLength))

const FindingSchema = z.strictObject({
  criterionId: text(64, 'The id of the criterion that is not met.').optional(),
  severity: z
    .enum(['blocking', 'important', 'note'])
    .describe('blocking: must be mended before this change may be used. important, note: worth knowing, no obstacle.'),
  file: text(4_096, 'A file of the diff. For something missing: the changed file that needed it.'),
  line: z.number().int().min(1).max(10_000_000).optional().describe('A changed line of that file, as it is now.'),
  claim: text(2_000, 'What is wrong, in one or two sentences.'),
  evidence: text(4_000, 'What proves it: the lines, a check that failed, a call with its actual and its right result.'),
  scenario: text(2_000, 'Input or steps that make it fail.').optional(),
})

const EarlierSchema = z.strictObject({
  id: text(64, 'The id of an open finding of an earlier round.'),
  state: z
    .enum(['fixed', 'still_open', 'withdrawn'])
    .describe('fixed: mended. still_open: not mended. withdrawn: it was wrong, or the dispute is right.'),
  evidence: text(2_000, 'What shows it.').optional(),
})

const SubmissionSchema = z
  .strictObject({
    verdict: z
      .enum(['APPROVED', 'ISSUES_FOUND'])
      .describe('ISSUES_FOUND exactly when a blocking finding is open. Nothing else decides it.'),
    summary: text(4_000, 'The result in one to three sentences, for the person who asked for the change.'),
    findings: z.array(FindingSchema).max(MAX_FINDINGS).describe('New findings; empty when there are none.'),
    earlier: z.array(EarlierSchema).max(200).optional().describe('From round 2 on: each open finding, judged.'),
  })
  .superRefine((submission, context) => {
    const problem = contradictionIn(submission)
    if (problem !== null) context.addIssue({ code: 'custom', path: ['verdict'], message: problem })
  })

/** What the reviewer said, in the shapes and lengths that are stored. Whether it is right is `verdict.ts`'s to say. */
export type Submission = z.infer<typeof SubmissionSchema>
/** One finding in the reviewer's words, checked for shape alone. */
export type SubmittedFinding = z.infer<typeof FindingSchema>

/** A review that can be judged, or what is wrong with its form. */
export type ParsedSubmission =
  | { readonly ok: true; readonly submission: Submission }
  /** `problem` goes back to the reviewer, once; unreadable again means that the round is inconclusive. */
  | { readonly ok: false; readonly problem: string }

/**
 * Reads the input of a `submit_review` call. Only the two exact verdicts count: "NOT APPROVED", "approved" or a verdict
 * that its own findings contradict is a problem, never an approval. Never throws.
 */
export function parseSubmission(rawInput: unknown): ParsedSubmission {
  const parsed = SubmissionSchema.safeParse(rawInput)
  if (parsed.success) return { ok: true, submission: parsed.data }
  const faults = parsed.error.issues.slice(0, 8).map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`)
  return { ok: false, problem: faults.join('\n') }
}

interface SubmitCall {
  readonly name: string
  readonly status: string
  /** The tool's input as JSON. */
  readonly input: string
}

/**
 * The review that one reply handed in, or null. A reply that hands in several different ones, or one that counts beside
 * one that cannot be read, says nothing that could be relied on.
 */
export function submissionIn(calls: readonly SubmitCall[]): Submission | null {
  const submits = calls.filter((call) => call.name === SUBMIT_REVIEW)
  if (submits.some((call) => call.status !== 'finished')) return null
  const parsed = submits.map((call) => parseSubmission(JSON.parse(call.input)))
  const [first] = parsed
  if (first === undefined || !first.ok) return null
  const same = JSON.stringify(first.submission)
  return parsed.every((other) => other.ok && JSON.stringify(other.submission) === same) ? first.submission : null
}

interface Claims {
  readonly verdict: 'APPROVED' | 'ISSUES_FOUND'
  readonly findings: readonly { readonly severity: string }[]
  readonly earlier?: readonly { readonly state: string }[] | undefined
}

/** What speaks against itself in a review, or null. */
export function contradictionIn({ verdict, findings, earlier = [] }: Claims): string | null {
  const blocking = findings.filter((finding) => finding.severity === 'blocking').length
  const open = earlier.filter((finding) => finding.state === 'still_open').length
  if (verdict === 'APPROVED' && blocking > 0)
    return `APPROVED contradicts ${blocking} blocking finding(s) in the same review`
  if (verdict === 'APPROVED' && open > 0) return `APPROVED contradicts ${open} earlier finding(s) that are still_open`
  if (verdict === 'ISSUES_FOUND' && findings.length + open === 0) return 'ISSUES_FOUND needs at least one finding'
  return null
}

/** The reviewer's only way to answer. It has no effect of its own: the caller takes the accepted input as the review. */
export const submitReview = defineTool<Submission>({
  name: SUBMIT_REVIEW,
  description: [
    'Hands in the review and ends it. Call it exactly once, when you have looked at everything you need.',
    'Every finding needs evidence and must lie in the diff; others do not count as blocking.',
  ].join('\n'),
  schema: SubmissionSchema,
  readOnly: true,
  run: async () => ({ content: 'The review was received.', isError: false }),
})
