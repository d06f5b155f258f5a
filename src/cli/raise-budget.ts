import type { TaskAnswer } from './answers.ts'
import { EXIT } from './exit-codes.ts'
import type { Session } from './session.ts'
import { UsageError } from './usage-error.ts'

const FIELDS: Readonly<Record<string, string>> = {
  '': 'maxUsd',
  dollars: 'maxUsd',
  turns: 'maxTurns',
  minutes: 'maxMinutes',
}

/** `/budget AMOUNT [turns|minutes]`: a new total of the task; one that waits for it goes on. Throws `ApiError`, {@link UsageError}. Twice is fine. */
export async function raiseTo(session: Session, taskId: string, argument: string): Promise<number> {
  const [, amount = '', unit = ''] = /^\$?(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(argument) ?? []
  const field = Object.hasOwn(FIELDS, unit.toLowerCase()) ? FIELDS[unit.toLowerCase()] : undefined
  if (amount === '' || field === undefined) {
    throw new UsageError('/budget takes a new total: 10 (dollars), 300 turns or 90 minutes.')
  }
  const path = `/api/tasks/${encodeURIComponent(taskId)}/budget`
  const raised = await session.api.call<TaskAnswer>('POST', path, { [field]: Number(amount) })
  if (session.options.json) session.writeJson(raised)
  session.printer.note(
    `The task may use ${unit === '' || unit === 'dollars' ? `$${amount}` : `${amount} ${unit}`} in all.`,
    'green',
  )
  return EXIT.good
}
