/**
 * Puts text that the model, a repository or a person wrote between two fences that it cannot close: the fence is longer
 * than any run of backticks inside. `label` names the content for the reader and must be ours.
 */
export function fence(text: string, label: string): string {
  const longest = (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 2)
  const marks = '`'.repeat(longest + 1)
  return `${marks}${label}\n${text}${text.endsWith('\n') || text === '' ? '' : '\n'}${marks}`
}
