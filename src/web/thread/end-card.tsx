import { CircleCheck, CircleSlash, CircleX, TriangleAlert, Undo2 } from 'lucide-react'
import { useState } from 'react'
import { leftOutText } from '../../shared/left-out.ts'
import { api } from '../api/client.ts'
import type { PanelTarget } from '../panels/panel.ts'
import type { TaskView } from '../state.ts'
import { revealReordering } from '../text/reveal-hidden.ts'
import { Button } from '../ui/button.tsx'
import { ConfirmDialog } from '../ui/confirm-dialog.tsx'
import { formatCost, formatCount, formatDuration, formatPlural, formatShare } from '../ui/format.ts'
import { lazyPart } from '../ui/lazy-part.tsx'
import { showToast } from '../ui/toast.tsx'
import { type Ending, endingOf } from './ending.ts'

// Below tasks that ended: not needed for the first look at the page.
const EndDetails = lazyPart(() => import('./end-details.tsx'))

const ICONS: Readonly<Record<Ending['tone'], typeof CircleCheck>> = {
  good: CircleCheck,
  warn: TriangleAlert,
  bad: CircleX,
  neutral: CircleSlash,
}
const COLOURS: Readonly<Record<Ending['tone'], string>> = {
  good: 'text-good',
  warn: 'text-warn',
  bad: 'text-bad',
  neutral: 'text-muted',
}

/** How the task ended, what it changed and what it took; from here it can be taken back. */
export function EndCard({ task, navigate }: { task: TaskView; navigate: (target: PanelTarget) => void }) {
  const [isAsking, setAsking] = useState(false)
  const ending = endingOf(task)
  const Icon = ICONS[ending.tone]
  const { files, added, removed } = task.diffStat
  return (
    <section aria-label="How the task ended" className="mt-2 rounded-xl border border-line bg-surface px-3 py-2.5">
      <div className="flex items-start gap-2">
        <Icon aria-hidden="true" className={`mt-1 size-4 shrink-0 ${COLOURS[ending.tone]}`} />
        <div className="flex min-w-0 flex-1 flex-wrap items-baseline gap-x-3 py-0.5">
          <h2 className={`text-sm font-semibold ${COLOURS[ending.tone]}`}>{ending.title}</h2>
          {files > 0 && (
            <button
              type="button"
              onClick={() => navigate({ panel: 'changes', taskId: task.id })}
              className="text-sm text-muted underline-offset-2 hover:text-ink hover:underline"
            >
              {formatPlural(files, 'file')} <span className="text-good">+{added}</span>{' '}
              <span className="text-bad">−{removed}</span>
            </button>
          )}
        </div>
        {files > 0 && (
          <Button size="small" look="quiet" icon={<Undo2 className="size-3.5" />} onClick={() => setAsking(true)}>
            Undo
          </Button>
        )}
      </div>
      {ending.note !== null && <p className="mt-1 text-sm text-muted">{revealReordering(ending.note)}</p>}
      {task.leftOut.length > 0 && (
        <p className="mt-1 text-sm text-muted">
          Also changed, outside the diff: {revealReordering(task.leftOut.map(leftOutText).join('; '))}
        </p>
      )}
      <Figures task={task} />
      <EndDetails task={task} navigate={navigate} />
      <ConfirmDialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title="Undo this task's changes?"
        confirmLabel="Undo the changes"
        onConfirm={async () => {
          await api.undoTask(task.id)
          showToast('The files are as they were before the task.')
        }}
      >
        The files go back to how they were before the task. The conversation stays, and a checkpoint of the present
        state is kept, so that this can be undone too. Commits and branches of the project's own git, installed
        dependencies and running processes stay as they are. A repository in a directory below comes back, once deleted,
        without its history.
      </ConfirmDialog>
    </section>
  )
}

function Figures({ task }: { task: TaskView }) {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens } = task.usage
  const prompt = inputTokens + cacheReadTokens + cacheWriteTokens
  const durationMs = task.endedAt === null ? null : task.endedAt - (task.startedAt ?? task.acceptedAt)
  const figures = [
    ...(durationMs === null ? [] : [['Time', formatDuration(durationMs)]]),
    ['Tokens', `${formatCount(prompt)} in, ${formatCount(outputTokens)} out`],
    ['From cache', formatShare(cacheReadTokens, prompt)],
    ['Cost', formatCost(task.costUsd)],
  ] as const
  return (
    <dl className="mt-2 flex flex-wrap gap-x-5 gap-y-1 text-xs">
      {figures.map(([name, value]) => (
        <div key={name} className="flex gap-1.5">
          <dt className="text-faint">{name}</dt>
          <dd className="tabular-nums text-muted">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
