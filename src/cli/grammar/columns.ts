/** What every terminal shows without breaking a line by itself. */
export const SCREEN_WIDTH = 80

/**
 * A name and what it means, in lines of at most 80 characters: what does not fit goes on below, and a name that is too long
 * for its column has a line of its own. A word that is longer than its column stays whole. Pure.
 */
export function columns(name: string, does: string, nameWidth: number): string[] {
  const indent = ' '.repeat(nameWidth + 4)
  const lines = wrapped(does, SCREEN_WIDTH - indent.length)
  if (name.length > nameWidth) return [`  ${name}`, ...lines.map((line) => `${indent}${line}`)]
  const [first = '', ...rest] = lines
  return [`  ${name.padEnd(nameWidth)}  ${first}`.trimEnd(), ...rest.map((line) => `${indent}${line}`)]
}

/** A text in lines of at most `width` characters, broken between words. Pure. */
export function wrapped(text: string, width = SCREEN_WIDTH): string[] {
  const lines: string[] = []
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
