import type { TaskView } from '../state.ts'

/** The tabs of the right-hand region, as Alt and a digit count them. */
export const PANEL_NAMES = [
  'changes',
  'terminal',
  'files',
  'context',
  'review',
  'checkpoints',
  'metrics',
  'environment',
  'preview',
] as const
/** A tab of the right-hand region, as the address names it. */
export type PanelName = (typeof PANEL_NAMES)[number]

/** The parts of the Review tab. */
export const REVIEW_VIEWS = ['rounds', 'evidence', 'criteria'] as const
/** A part of the Review tab, as the address names it. */
export type ReviewView = (typeof REVIEW_VIEWS)[number]

/** A place in the right-hand region. All of it stands in the address, so each place can be linked. */
export interface PanelTarget {
  readonly panel: PanelName
  /** Another task than the one that is looked at anyway. */
  readonly taskId?: string
  /** A path in the workspace: in Changes its diff, in Files its content. */
  readonly file?: string
  /** From 1. */
  readonly line?: number
  /** In Changes: what is compared begins there. */
  readonly checkpointId?: string
  /** In Changes: what is compared ends there; left out, at the task's newest files. */
  readonly toCheckpointId?: string
  /** A command in Terminal. */
  readonly toolUseId?: string
  /** A round in Review. */
  readonly round?: number
  /** In Review: which of its parts. */
  readonly view?: ReviewView
  /** Scrolls the thread to a turn. */
  readonly turn?: number
}

/** What every panel is given. */
export interface PanelProps {
  readonly projectId: string
  readonly conversationId: string | null
  /** The task that is looked at: the one in the address, else the running one, else the newest of the conversation. */
  readonly taskId: string | null
  /** Whole once it is known; null until then, and when there was no task. */
  readonly task: TaskView | null
  /** Opens a tab, a file at a line, a turn, a checkpoint … and puts it into the address. */
  navigate(target: PanelTarget): void
  /** What the address names, when it names this panel. A new object whenever it is navigated to. */
  readonly target: PanelTarget | null
}
