/** Values of labels come from outside; each is one of a few known ones, or "other". */

import { knownModels } from '../model/profiles.ts'
import { coderTools, reviewerTools } from '../tools/registry.ts'

const MODELS = new Set(knownModels())
const TOOLS = new Set([...coderTools, ...reviewerTools].map((tool) => tool.definition.name))

/** A model's name without its date, when it is one of the table. */
export function modelLabel(model: string): string {
  const bare = model.replace(/-\d{8}$/, '')
  return MODELS.has(bare) ? bare : 'other'
}

/** Models make names up. */
export function toolLabel(name: string): string {
  return TOOLS.has(name) ? name : 'other'
}
