import type { Sandbox } from '../sandbox/types.ts'
import { INPUT_NAMES } from './detect-setup.ts'
import { lookAtInputs, type SeenInputs } from './look-at-inputs.ts'

/** Sandboxes whose inputs are remembered, and how much text of each; the ones that were asked for longest ago go first. */
const MAX_SANDBOXES = 200
const MAX_TEXT_CHARS = 256 * 1024

/**
 * The inputs of set-ups, by sandbox. Those of a tree that differs from the remembered one in no input are the same, which
 * costs no command in the sandbox.
 */
export class KnownInputs {
  readonly #known = new Map<string, { readonly tree: string; readonly inputs: SeenInputs }>()

  /** The inputs of the workspace, whose tree `tree` is. Throws the `sandbox_*` codes; safe to repeat. */
  async of(sandbox: Sandbox, tree: string, options: Parameters<typeof lookAtInputs>[1]): Promise<SeenInputs> {
    const { id } = sandbox.ref
    const known = this.#known.get(id)
    this.#known.delete(id)
    const isSame = known !== undefined && !(await touchesInputs(sandbox, known.tree, tree))
    const inputs = isSame ? known.inputs : await lookAtInputs(sandbox, options)
    const chars = [...inputs.texts.values()].reduce((sum, text) => sum + text.length, 0)
    if (chars <= MAX_TEXT_CHARS) this.#known.set(id, { tree, inputs })
    for (const oldest of [...this.#known.keys()].slice(0, Math.max(0, this.#known.size - MAX_SANDBOXES))) {
      this.#known.delete(oldest)
    }
    return inputs
  }
}

const INPUT = new RegExp(
  `^(${INPUT_NAMES.map((name) => name.replaceAll('.', '\\.').replaceAll('*', '.*')).join('|')})$`,
)

async function touchesInputs(sandbox: Sandbox, before: string, after: string): Promise<boolean> {
  if (before === after) return false
  const changes = await sandbox.changes(before, after)
  return changes.some(({ path }) => INPUT.test(path.slice(path.lastIndexOf('/') + 1)))
}
