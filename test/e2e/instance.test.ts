/** One running instance, real from end to end but for the model's words, and all that is asked of it. */

import { afterAll, beforeAll } from 'vitest'
import { TestStack } from '../support/stack.ts'
import { alternativesSuite } from './suites/alternatives.ts'
import { attacksSuite } from './suites/attacks.ts'
import { badInputSuite } from './suites/bad-input.ts'
import { budgetSuite } from './suites/budget.ts'
import { cancelSuite } from './suites/cancel.ts'
import { contextSuite } from './suites/context.ts'
import { crashSuite } from './suites/crash.ts'
import { handOverSuite } from './suites/hand-over.ts'
import { memorySuite } from './suites/memory.ts'
import { messagesSuite } from './suites/messages.ts'
import { modelTroubleSuite } from './suites/model-trouble.ts'
import { peopleSuite } from './suites/people.ts'
import { reachSuite } from './suites/reach.ts'
import { reviewSuite } from './suites/review.ts'
import { reviewProjectsSuite } from './suites/review-projects.ts'
import { streamSuite } from './suites/stream.ts'
import { temporalSuite } from './suites/temporal.ts'
import { wayBackSuite } from './suites/way-back.ts'

const stack = new TestStack()
beforeAll(() => stack.start())
afterAll(() => stack.stop())

// First what wants a quiet instance, last what kills and stops its parts; Temporal's histories are then those of all.
badInputSuite(stack)
messagesSuite(stack)
budgetSuite(stack)
cancelSuite(stack)
contextSuite(stack)
memorySuite(stack)
reachSuite(stack)
attacksSuite(stack)
reviewProjectsSuite(stack)
reviewSuite(stack)
streamSuite(stack)
modelTroubleSuite(stack)
wayBackSuite(stack)
alternativesSuite(stack)
handOverSuite(stack)
peopleSuite(stack)
crashSuite(stack)
temporalSuite(stack)
