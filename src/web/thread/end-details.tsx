import { AlternativesBar } from '../alternatives/alternatives-bar.tsx'
import type { PanelTarget } from '../panels/panel.ts'
import type { TaskView } from '../state.ts'
import { EvidenceLine } from './evidence-line.tsx'
import { PublishBar } from './publish-bar.tsx'

/** What stands on an end card below its figures, read from the server: evidence, and the ways on. Loaded when it is first shown. */
export default function EndDetails({ task, navigate }: { task: TaskView; navigate: (target: PanelTarget) => void }) {
  return (
    <>
      <EvidenceLine task={task} navigate={navigate} />
      {task.diffStat.files > 0 && <PublishBar taskId={task.id} />}
      <AlternativesBar task={task} />
    </>
  )
}
