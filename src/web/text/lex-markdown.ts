import { Lexer, type Token, type TokensList } from 'marked'

/** Characters read by the block rules, each nested level counted again; a plain text costs its own length. */
const MAX_BLOCK_WORK = 1_000_000
/** Quotes and lists within each other; deeper ones stand as text. */
const MAX_DEPTH = 20
/** Lines that go on a quote without its mark; the rules copy all that follows at each. */
const MAX_LAZY_LINES = 500
const LAZY_LINE = /^ {0,3}>[^\n]*\n(?! {0,3}>|[ \t]*$)/gm
/** Delimiters times characters of one run of inline text: what the inline rules take at worst. About 5 ms. */
const MAX_INLINE_COST = 1_000_000
/** The same for a whole text. */
const MAX_TOTAL_INLINE_COST = 10_000_000
/** Lists, tables and paragraphs of one text; what comes behind them stands as one piece of text. */
const MAX_BLOCKS = 4_000
const DELIMITER = /[*_~`[\]<>!&@\\]/g

/** A text and its blocks in order, space left out. */
export interface LexedMarkdown {
  readonly text: string
  readonly blocks: readonly Token[]
  /** Where each block begins in `text`. */
  readonly starts: readonly number[]
  readonly links: Lexer['tokens']['links']
}

/**
 * The blocks of a Markdown text. What some rules would take very long for (models and repositories write these texts) comes
 * back as text: the time grows with the length, whatever the text is. A text that begins with `known`'s is read again
 * from its last two blocks on. Pure; never throws.
 */
export function lexMarkdown(source: string, known?: LexedMarkdown): LexedMarkdown {
  const text = source.replace(/\r\n?/g, '\n')
  const kept = known !== undefined && text.startsWith(known.text) ? Math.max(0, known.blocks.length - 2) : 0
  const from = known?.starts[kept] ?? 0
  const lexer = new BoundedLexer(kept > 0 ? (known?.links ?? {}) : {})
  const tokens = lexer.blocksOf(text.slice(from))
  const blocks = known?.blocks.slice(0, kept) ?? []
  const starts = known?.starts.slice(0, kept) ?? []
  let at = from
  for (const token of tokens) {
    if (token.type !== 'space') {
      blocks.push(token)
      starts.push(at)
    }
    at += token.raw.length
  }
  return { text, blocks, starts, links: lexer.tokens.links }
}

class BoundedLexer extends Lexer {
  #depth = 0
  #blockWork = 0
  #inlineCost = 0

  constructor(links: Lexer['tokens']['links']) {
    super({ gfm: true })
    Object.assign(this.tokens.links, links)
  }

  /** Top-level tokens whose `raw` together are the text. */
  blocksOf(text: string): readonly Token[] {
    try {
      const tokens = this.lex(text)
      if (tokens.length <= MAX_BLOCKS) return tokens
      const first = tokens.slice(0, MAX_BLOCKS)
      const length = first.reduce((sum, token) => sum + token.raw.length, 0)
      return [...first, asText(text.slice(length))]
    } catch (error) {
      // What the rules cannot take apart, such as a text that needs a deeper stack, is still readable.
      if (error instanceof Error) return [asText(text)]
      throw error
    }
  }

  override blockTokens(src: string, tokens?: Token[], isClipped?: boolean): Token[]
  override blockTokens(src: string, tokens?: TokensList, isClipped?: boolean): TokensList
  override blockTokens(src: string, tokens: Token[] | TokensList = [], isClipped = false): Token[] | TokensList {
    this.#blockWork += src.length
    const isLazy = src.includes('>') && (src.match(LAZY_LINE)?.length ?? 0) > MAX_LAZY_LINES
    if (isLazy || this.#depth > MAX_DEPTH || this.#blockWork > MAX_BLOCK_WORK) {
      if (src !== '') tokens.push(asText(src))
      return tokens
    }
    this.#depth++
    try {
      return super.blockTokens(src, tokens, isClipped)
    } finally {
      this.#depth--
    }
  }

  override inline(src: string, tokens: Token[] = []): Token[] {
    const cost = (src.match(DELIMITER)?.length ?? 0) * src.length
    this.#inlineCost += Math.min(cost, MAX_INLINE_COST)
    if (cost <= MAX_INLINE_COST && this.#inlineCost <= MAX_TOTAL_INLINE_COST) return super.inline(src, tokens)
    tokens.push(asText(src))
    return tokens
  }
}

function asText(text: string): Token {
  return { type: 'text', raw: text, text, escaped: false }
}
