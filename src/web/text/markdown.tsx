import type { Token, Tokens } from 'marked'
import { memo, type ReactNode, useMemo, useRef } from 'react'
import { CodeBlock } from '../code/code-block.tsx'
import { type LexedMarkdown, lexMarkdown } from './lex-markdown.ts'
import { revealHidden, revealReordering } from './reveal-hidden.ts'
import { safeLink } from './safe-link.ts'

/**
 * Markdown of models and repositories as elements of our own: no HTML passes, nothing is fetched, a link shows where it
 * leads. While the text grows only its last blocks are read and drawn again.
 */
export const Markdown = memo(function Markdown({ text, isOpen = false }: { text: string; isOpen?: boolean }) {
  const known = useRef<LexedMarkdown | undefined>(undefined)
  const blocks = useMemo(() => {
    // Once it is whole it is read as a whole: only now a link may find its address further down.
    known.current = lexMarkdown(text, isOpen ? known.current : undefined)
    return known.current.blocks
  }, [text, isOpen])
  return (
    <div className="markdown">
      {blocks.map((token, index) => (
        <Block key={index} raw={token.raw} token={token} isLast={isOpen && index === blocks.length - 1} />
      ))}
    </div>
  )
})

interface BlockProps {
  readonly token: Token
  readonly raw: string
  readonly isLast: boolean
}

const Block = memo(
  function Block({ token, isLast }: BlockProps) {
    return renderBlock(token as Tokens.Generic, isLast)
  },
  (a, b) => a.raw === b.raw && a.isLast === b.isLast && a.token.type === b.token.type,
)

function renderBlock(token: Tokens.Generic, isGrowing: boolean): ReactNode {
  switch (token.type) {
    case 'heading': {
      // The page has headings of its own above these.
      const Heading = `h${Math.min(6, (token['depth'] as number) + 2)}` as 'h3'
      return <Heading dir="auto">{inline(token.tokens)}</Heading>
    }
    case 'paragraph':
      return <p dir="auto">{inline(token.tokens)}</p>
    case 'text':
      return token.tokens === undefined ? <PlainText text={token['text'] as string} /> : inline(token.tokens)
    case 'code': {
      const { text, lang = '' } = token as Tokens.Code
      return <CodeBlock code={text} language={lang} isComplete={!isGrowing || /\n(```+|~~~+)\s*$/.test(token.raw)} />
    }
    case 'blockquote':
      return <blockquote dir="auto">{children(token.tokens, isGrowing)}</blockquote>
    case 'list':
      return renderList(token as Tokens.List, isGrowing)
    case 'hr':
      return <hr />
    case 'table':
      return renderTable(token as Tokens.Table)
    default:
      // HTML and whatever else comes: as the text that it is.
      return <p dir="auto">{revealReordering(token.raw)}</p>
  }
}

/** What is not taken apart as Markdown keeps its lines. */
function PlainText({ text }: { text: string }) {
  return <div className="break-words whitespace-pre-wrap">{revealReordering(text)}</div>
}

function children(tokens: readonly Token[] | undefined, isGrowing: boolean): ReactNode {
  return (tokens ?? [])
    .filter((token) => token.type !== 'space')
    .map((token, index) => <Block key={index} raw={token.raw} token={token} isLast={isGrowing} />)
}

function renderList(list: Tokens.List, isGrowing: boolean): ReactNode {
  const items = list.items.map((item, index) => (
    <li key={index} className={item.task ? 'list-none' : undefined}>
      {item.task && (
        <input type="checkbox" checked={item.checked ?? false} disabled aria-label="done" className="mr-1.5" />
      )}
      {children(
        item.tokens.filter((token) => (token.type as string) !== 'checkbox'),
        isGrowing,
      )}
    </li>
  ))
  // Each text has the direction of its own first letters, whatever the page's is.
  return list.ordered ? (
    <ol dir="auto" start={Number(list.start) || 1}>
      {items}
    </ol>
  ) : (
    <ul dir="auto">{items}</ul>
  )
}

function renderTable(table: Tokens.Table): ReactNode {
  return (
    <div className="overflow-x-auto">
      <table>
        <thead>
          <tr>
            {table.header.map((cell, index) => (
              <th key={index} scope="col">
                {inline(cell.tokens)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, at) => (
            <tr key={at}>
              {row.map((cell, index) => (
                <td key={index}>{inline(cell.tokens)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function inline(tokens: readonly Token[] | undefined): ReactNode {
  return (tokens ?? []).map((token, index) => <Inline key={index} token={token as Tokens.Generic} />)
}

function Inline({ token }: { token: Tokens.Generic }): ReactNode {
  switch (token.type) {
    case 'strong':
      return <strong>{inline(token.tokens)}</strong>
    case 'em':
      return <em>{inline(token.tokens)}</em>
    case 'del':
      return <del>{inline(token.tokens)}</del>
    case 'codespan':
      return <code>{revealHidden(unescapeEntities(token['text'] as string))}</code>
    case 'br':
      return <br />
    case 'link':
      return <OutsideLink href={token['href'] as string}>{inline(token.tokens)}</OutsideLink>
    case 'image': {
      const alt = (token['text'] as string) || 'image'
      return <OutsideLink href={token['href'] as string}>[image: {revealReordering(alt)}]</OutsideLink>
    }
    case 'escape':
    case 'text':
      return token.tokens === undefined
        ? revealReordering(unescapeEntities(token['text'] as string))
        : inline(token.tokens)
    default:
      return revealReordering(token.raw)
  }
}

/** The words and, since words may lie, the host. An address that is not allowed is shown as text. */
function OutsideLink({ href, children }: { href: string; children: ReactNode }) {
  const link = safeLink(href)
  if (link === null) {
    return (
      <>
        {children} <span className="text-faint">({revealHidden(href)})</span>
      </>
    )
  }
  return (
    <a href={link.href} target="_blank" rel="noopener noreferrer nofollow">
      {children} <span className="text-faint no-underline">({revealHidden(link.host)})</span>
    </a>
  )
}

/** The lexer keeps entities as they were written; React escapes by itself. */
function unescapeEntities(text: string): string {
  const known: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (whole, name: string) => known[name] ?? whole)
}
