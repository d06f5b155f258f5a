/** One running instance, real from end to end but for the model's words, and all that is asked of it. */

import { afterAll, beforeAll } from 'vitest'
import { TestStack } from '../support/stack.ts'
import { badInputSuite } from './suites/bad-input.ts'
import { budgetSuite } from './suites/budget.ts'
import { cancelSuite } from './suites/cancel.ts'
import { contextSuite } from './suites/context.ts'
import { crashSuite } from './suites/crash.ts'
import { messagesSuite } from './suites/messages.ts'
import { modelTroubleSuite } from './suites/model-trouble.ts'
import { streamSuite } from './suites/stream.ts'
import { temporalSuite } from './suites/temporal.ts'

const stack = new TestStack()
beforeAll(() => stack.start())
afterAll(() => stack.stop())

// First what wants a quiet instance, last what kills and stops its parts; Temporal's histories are then those of all.
badInputSuite(stack)
messagesSuite(stack)
budgetSuite(stack)
cancelSuite(stack)
contextSuite(stack)
streamSuite(stack)
modelTroubleSuite(stack)
crashSuite(stack)
temporalSuite(stack)
