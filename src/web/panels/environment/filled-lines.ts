/** The lines of a field that say something, without blanks around them. Pure. */
export function filledLinesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
