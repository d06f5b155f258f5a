import type { Check, CheckSetting } from '../shared/review.ts'

/** A check as a person sees it. `custom`: a person added it or changed its command. */
export interface ShownCheck extends Check {
  readonly enabled: boolean
  readonly source: 'detected' | 'custom'
}

/**
 * All checks of a project: the detected ones, each with what a person set for its name, then those that a person added.
 * Pure; names are unique when both lists have unique names.
 */
export function mergeChecks(detected: readonly Check[], settings: readonly CheckSetting[]): ShownCheck[] {
  const set = new Map(settings.map((setting) => [setting.name, setting]))
  const names = new Set(detected.map((check) => check.name))
  return [
    ...detected.map(({ name, command }) => show({ name, command, ...set.get(name) }, command)),
    ...settings.filter((setting) => !names.has(setting.name)).map((setting) => show(setting)),
  ]
}

function show({ name, command, enabled = true }: CheckSetting, detected?: string): ShownCheck {
  return { name, command, enabled, source: command === detected ? 'detected' : 'custom' }
}

/** What a person's list adds to what is detected: only this is stored, so that a check of the project stays its own. */
export function ownSettings(detected: readonly Check[], given: readonly CheckSetting[]): CheckSetting[] {
  const commands = new Map(detected.map((check) => [check.name, check.command]))
  return given.filter(({ name, command, enabled = true }) => !enabled || commands.get(name) !== command)
}
