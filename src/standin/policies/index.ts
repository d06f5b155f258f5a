/** The policies by the name that the command line takes. */

import type { Policy } from '../policy.ts'
import { demoPolicy } from './demo.ts'
import { listPolicy } from './list.ts'
import { plainLanguagePolicy } from './plain-language.ts'
import { sampleProjectPolicy } from './sample-project.ts'

/** The policies by the names that `--policy` takes. */
export const POLICIES = {
  demo: demoPolicy,
  list: listPolicy,
  'plain-language': plainLanguagePolicy,
  'sample-project': sampleProjectPolicy,
} as const satisfies Record<string, Policy>

type PolicyName = keyof typeof POLICIES

/** Whether a name is one of {@link POLICIES}. */
export function isPolicyName(name: string): name is PolicyName {
  return Object.hasOwn(POLICIES, name)
}
