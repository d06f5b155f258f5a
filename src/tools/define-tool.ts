import { z } from 'zod'
import type { PersonAsk } from '../approvals/person-ask.ts'
import { AppError } from '../shared/errors.ts'
import type { Tool, ToolContext, ToolResult } from './tool.ts'

/** A tool as it is written: {@link Tool} with its input's type, from which the definition for the model is made. */
export interface ToolSpec<Input> {
  readonly name: string
  readonly description: string
  readonly schema: z.ZodType<Input>
  readonly readOnly: boolean
  asksPerson?(input: Input): PersonAsk
  run(input: Input, context: ToolContext): Promise<ToolResult>
}

/**
 * Makes a tool from one schema: the JSON schema that the model sees and the check of what it sends cannot differ. What
 * the sandbox refuses (`sandbox_bad_request`: a path outside the workspace, a device …) becomes a result for the model;
 * every other error passes through.
 */
export function defineTool<Input>(spec: ToolSpec<Input>): Tool<Input> {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(spec.schema, { io: 'input' })
  return {
    definition: {
      name: spec.name,
      description: spec.description,
      input_schema: { ...schema, type: 'object' },
    },
    schema: spec.schema,
    readOnly: spec.readOnly,
    ...(spec.asksPerson === undefined ? {} : { asksPerson: spec.asksPerson }),
    async run(input, context) {
      try {
        return await spec.run(input, context)
      } catch (error) {
        if (error instanceof AppError && error.code === 'sandbox_bad_request') return refusal(error.message)
        throw error
      }
    },
  }
}

/** A failure that the model can act on: one or two sentences that say what was wrong and what to do instead. */
export function refusal(message: string): ToolResult {
  return { content: message, isError: true }
}
