/**
 * The policy of the demonstration: the sample task where it is asked for, plain requests otherwise, in any mixture. A
 * message that holds a script (see list.ts) is played by it, which is how tests and benchmarks use a whole instance.
 */

import { callsAfter, type Policy, type SeenText, type TurnView } from '../policy.ts'
import { hasScript, listPolicy } from './list.ts'
import { answerInOrder, approvePlainly, respond, understand } from './plain-language.ts'
import { isFixRequest, isSampleRequest, isSampleReview, reviewSample, workOnSample } from './sample-project.ts'

/** What the delivered model plays: a script when the message holds one, else the sample project or plain requests. */
export const demoPolicy: Policy = (view) => {
  if (hasScript(view.texts)) return listPolicy(view)
  if (view.lane === 'reviewer') return isSampleReview(view) ? reviewSample(view) : approvePlainly(view)
  return answerInOrder(view, (seen) => {
    const request = understand(seen.text)
    if (request) return respond(request, callsAfter(view, seen.messageIndex))
    return isSampleWork(view, seen) ? workOnSample(view, seen) : null
  })
}

/** A fix request belongs to the sample when the sample was asked for before it. */
function isSampleWork(view: TurnView, seen: SeenText): boolean {
  if (!isFixRequest(seen.text)) return isSampleRequest(seen.text)
  return view.texts.some((earlier) => isSampleRequest(earlier.text)) || seen.text.includes('split-bill')
}
