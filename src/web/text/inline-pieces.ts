/** A text taken apart at its backticks; a run of them without its pair stays text. Pure, in one pass. */
export function inlinePieces(text: string): { readonly isCode: boolean; readonly piece: string }[] {
  const tokens = text.split(/(`+)/)
  const lastOf = new Map(tokens.map((token, index) => [token, index]))
  const pieces: { isCode: boolean; piece: string }[] = []
  let plain = ''
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? ''
    const isRun = at % 2 === 1
    const end = isRun && (lastOf.get(token) ?? at) > at ? tokens.indexOf(token, at + 1) : -1
    if (end < 0) {
      plain += token
      continue
    }
    if (plain !== '') pieces.push({ isCode: false, piece: plain })
    plain = ''
    const code = tokens.slice(at + 1, end).join('')
    pieces.push({ isCode: true, piece: code.trim() === '' ? code : code.trim() })
    at = end
  }
  if (plain !== '') pieces.push({ isCode: false, piece: plain })
  return pieces
}
