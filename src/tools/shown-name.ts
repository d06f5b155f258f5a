import { showCharacters } from './shown-text.ts'

/**
 * A path on one line with every character of its names visible, in the form that `readShown` reads back: a line feed is
 * `⟦\x0a⟧`. Bytes that are no UTF-8 are U+FFFD already. Pure.
 */
export function showName(path: string): string {
  return showCharacters(path).replaceAll('\n', '⟦\\x0a⟧').replaceAll('\t', '⟦\\x09⟧')
}
