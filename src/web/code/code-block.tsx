import { Check, Copy } from 'lucide-react'
import { memo, useState } from 'react'
import { revealHidden } from '../text/reveal-hidden.ts'
import { classNames } from '../ui/class-names.ts'
import { IconButton } from '../ui/icon-button.tsx'
import { CodeLine } from './code-line.tsx'
import { useHighlight } from './highlighter.ts'
import { languageOf } from './languages.ts'

interface CodeBlockProps {
  readonly code: string
  /** A fence's name or a path. */
  readonly language?: string
  /** False while the code is still being written: it is coloured once it is whole. */
  readonly isComplete?: boolean
  readonly className?: string
}

const COPIED_MS = 1_500

/** Code in its colours, with what is invisible in it made visible. */
export const CodeBlock = memo(function CodeBlock({
  code,
  language = '',
  isComplete = true,
  className,
}: CodeBlockProps) {
  const lines = useHighlight(code, isComplete ? languageOf(language) : null)
  return (
    <div className={classNames('group/code relative rounded-lg border border-line bg-sunken', className)}>
      <CopyButton text={code} />
      <pre
        tabIndex={0}
        className="max-h-96 overflow-auto px-3 py-2 font-mono text-xs leading-5 focus-visible:-outline-offset-2"
      >
        <code>
          {lines === null
            ? revealHidden(code)
            : lines.map((tokens, index) => (
                <span key={index}>
                  <CodeLine text="" tokens={tokens} />
                  {'\n'}
                </span>
              ))}
        </code>
      </pre>
    </div>
  )
})

function CopyButton({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false)
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), COPIED_MS)
  }
  return (
    <IconButton
      label={isCopied ? 'Copied' : 'Copy'}
      size="small"
      hasTooltip={false}
      icon={isCopied ? <Check className="size-3.5" /> : <Copy className="size-3.5" />}
      onClick={() => void copy().catch(() => setCopied(false))}
      className="absolute top-1 right-1 bg-sunken opacity-0 group-focus-within/code:opacity-100 group-hover/code:opacity-100"
    />
  )
}
