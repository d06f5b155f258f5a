/** A task's plan, as the model keeps it and people see it. Types only. */

export const PLAN_STATES = ['pending', 'in_progress', 'done', 'dropped'] as const
export type PlanState = (typeof PLAN_STATES)[number]

export interface PlanItem {
  /** One line. */
  readonly text: string
  readonly state: PlanState
}
