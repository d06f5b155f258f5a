import { api } from '../../api/client.ts'
import { useQuery } from '../../api/use-query.ts'
import type { TaskView } from '../../state.ts'
import { Select } from '../../ui/select.tsx'

/** What is compared: the ids of two checkpoints; left out they are the task's beginning and its newest files. */
export interface Range {
  readonly from: string | undefined
  readonly to: string | undefined
}

const START = 'start'
const NOW = 'now'

/** From where to where the changes are shown. Checkpoints of other tasks are named once the address names one. */
export function RangeSelect({
  projectId,
  task,
  range,
  onChange,
}: {
  projectId: string
  task: TaskView | null
  range: Range
  onChange: (range: Range) => void
}) {
  const own = task?.checkpoints ?? []
  const named = [range.from, range.to].filter((id) => id !== undefined)
  const isForeign = named.some((id) => !own.some((checkpoint) => checkpoint.id === id))
  const all = useQuery(isForeign ? `checkpoints:${projectId}` : null, (signal) =>
    api.listProjectCheckpoints(projectId, signal),
  )
  if (own.length < 2 && named.length === 0) return null
  const known = isForeign && all.value !== undefined ? all.value : own
  const options = known.map(({ id, label }) => ({ value: id, label }))
  for (const id of named) {
    if (!options.some(({ value }) => value === id)) options.push({ value: id, label: 'a checkpoint' })
  }
  return (
    <div className="order-last flex w-full min-w-0 items-center gap-1.5 text-xs text-muted @md:order-none @md:w-auto @md:flex-1 @md:justify-end">
      <Select
        label="Compare from"
        isLabelHidden
        size="small"
        className="min-w-0 flex-1 @md:max-w-44"
        value={range.from ?? START}
        options={[{ value: START, label: 'Before the task' }, ...options]}
        onChange={(id) => onChange({ ...range, from: id === START ? undefined : id })}
      />
      <span aria-hidden="true">→</span>
      <Select
        label="Compare to"
        isLabelHidden
        size="small"
        className="min-w-0 flex-1 @md:max-w-44"
        value={range.to ?? NOW}
        options={[...options, { value: NOW, label: 'Its newest files' }]}
        onChange={(id) => onChange({ ...range, to: id === NOW ? undefined : id })}
      />
    </div>
  )
}
