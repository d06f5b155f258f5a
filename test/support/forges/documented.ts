/** Requests held against the fields that a service documents. */

import { Ajv } from 'ajv'
import type { Asked } from './forge.ts'

export interface Documented {
  readonly method: string
  /** Parts in braces stand for one part of the path each. */
  readonly path: string
  /** Schemas of its parameters; others are not taken. */
  readonly query?: Readonly<Record<string, object>>
  /** What its body must be besides an object without other fields. */
  readonly body?: {
    readonly required?: readonly string[]
    readonly minProperties?: number
    readonly properties: object
  }
}

const ajv = new Ajv({ strict: false, validateFormats: false })
const ajvOfTexts = new Ajv({ strict: false, validateFormats: false, coerceTypes: true })

/** What is wrong with a request, in sentences. */
export function documentedViolations(
  documented: readonly Documented[],
  { method, path, query, headers, body }: Asked,
): string[] {
  const found = documented.find(
    (each) => each.method === method && new RegExp(`^${each.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )
  const at = `${method} ${path}`
  if (found === undefined) return [`${at} is not documented`]
  const parameters = { type: 'object', properties: found.query ?? {}, additionalProperties: false }
  const problems: string[] = []
  if (!ajvOfTexts.validate(parameters, Object.fromEntries(query))) problems.push(`${at}: ${ajvOfTexts.errorsText()}`)
  if (found.body === undefined) {
    if (Object.keys(body).length > 0) problems.push(`${at} takes no body`)
    return problems
  }
  if (headers['content-type']?.startsWith('application/json') !== true)
    problems.push(`${at}: ${headers['content-type']}`)
  if (!ajv.validate({ type: 'object', additionalProperties: false, ...found.body }, body)) {
    problems.push(`${at}: ${ajv.errorsText()}`)
  }
  return problems
}
