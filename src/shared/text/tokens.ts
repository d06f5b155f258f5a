/** A cautious guess at a text's tokens: four ASCII characters each, every other character by itself. */
export function estimateTokens(text: string): number {
  const others = text.match(/\P{ASCII}/gu) ?? []
  const ascii = text.length - others.join('').length
  return Math.ceil(ascii / 4) + others.length
}

/** The longest run of whole lines from the start that stays within `maxTokens`, and whether anything was left out. */
export function cutToTokens(text: string, maxTokens: number): { readonly text: string; readonly cut: boolean } {
  if (estimateTokens(text) <= maxTokens) return { text, cut: false }
  const kept: string[] = []
  let used = 0
  for (const line of text.split('\n')) {
    used += estimateTokens(`${line}\n`)
    if (used > maxTokens) break
    kept.push(line)
  }
  return { text: kept.join('\n'), cut: true }
}
