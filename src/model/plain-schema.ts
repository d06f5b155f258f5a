import type { ToolDefinition } from './types.ts'

/**
 * What bounds a value without saying what it is. llama.cpp's server makes a grammar of a tool's schema and refuses every
 * request whose grammar repeats a rule some 2,000 times, as a string of that length in an object of a list does; and each
 * bound is read as words of the prompt. The tool checks its input by the same bounds and tells the model which one it broke.
 */
const BOUNDS: ReadonlySet<string> = new Set([
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'additionalProperties',
])
/** Keywords whose fields are names that the tool chose, not keywords. */
const NAMED_SCHEMAS: ReadonlySet<string> = new Set(['properties', 'patternProperties', '$defs', 'definitions'])
/** Values, which may look like a schema and are none. */
const VALUES: ReadonlySet<string> = new Set(['enum', 'const', 'default', 'examples'])

/** The same tools with the plainest form of their schemas: fields, kinds, choices and descriptions. Pure; the same in, the same out. */
export function plainTools(tools: readonly ToolDefinition[]): ToolDefinition[] {
  return tools.map((tool) => ({ ...tool, input_schema: { ...plainFields(tool.input_schema), type: 'object' } }))
}

function plainFields(schema: object): Record<string, unknown> {
  const kept = Object.entries(schema).filter(([name, value]) => !isBound(name, value))
  return Object.fromEntries(kept.map(([name, value]) => [name, plainValue(name, value)]))
}

/** A schema of further fields is more than a bound. */
function isBound(name: string, value: unknown): boolean {
  return BOUNDS.has(name) && typeof value !== 'object'
}

function plainValue(name: string, value: unknown): unknown {
  if (VALUES.has(name) || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: unknown) => plainValue('', item))
  if (!NAMED_SCHEMAS.has(name)) return plainFields(value)
  return Object.fromEntries(Object.entries(value).map(([field, schema]) => [field, plainValue('', schema)]))
}
