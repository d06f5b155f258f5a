/** A task's plan, as the model keeps it and people see it. Types only. */

export const PLAN_STATES = ['pending', 'in_progress', 'done', 'dropped'] as const
/** How far a step of a plan is. */
export type PlanState = (typeof PLAN_STATES)[number]

/** A step of the agent's plan. */
export interface PlanItem {
  /** One line. */
  readonly text: string
  readonly state: PlanState
}
