import { CodeBlock } from '../code/code-block.tsx'
import type { PanelTarget } from '../panels/panel.ts'
import type { ToolPart } from '../state.ts'
import { revealHidden } from '../text/reveal-hidden.ts'
import { Button } from '../ui/button.tsx'
import type { ToolSummary } from './tool-summary.ts'

interface ToolDetailsProps {
  readonly tool: ToolPart
  readonly summary: ToolSummary
  readonly navigate: (target: PanelTarget) => void
}

/** A call's input and output. */
export function ToolDetails({ tool, summary, navigate }: ToolDetailsProps) {
  return (
    <>
      <ToolInput tool={tool} summary={summary} />
      {tool.result !== null && tool.result !== '' && (
        <section aria-label="Result">
          <CodeBlock code={tool.result} language={summary.kind === 'read' ? (summary.path ?? '') : ''} />
        </section>
      )}
      <div className="flex gap-1">
        {summary.kind === 'run' && (
          <Button size="small" look="quiet" onClick={() => navigate({ panel: 'terminal', toolUseId: tool.toolUseId })}>
            Show in Terminal
          </Button>
        )}
        {summary.path !== undefined && (
          <Button
            size="small"
            look="quiet"
            onClick={() => navigate({ panel: summary.kind === 'read' ? 'files' : 'changes', file: summary.path ?? '' })}
          >
            Show in {summary.kind === 'read' ? 'Files' : 'Changes'}
          </Button>
        )}
      </div>
    </>
  )
}

function ToolInput({ tool, summary }: { tool: ToolPart; summary: ToolSummary }) {
  const input = (typeof tool.input === 'object' && tool.input !== null ? tool.input : {}) as Record<string, unknown>
  const text = (key: string): string => (typeof input[key] === 'string' ? input[key] : '')
  if (tool.input === null)
    return tool.inputText === null ? null : <CodeBlock code={tool.inputText} isComplete={false} />
  switch (summary.kind) {
    case 'run':
      return <CodeBlock code={text('command')} language="bash" />
    case 'write':
      return <CodeBlock code={text('content')} language={summary.path ?? ''} />
    case 'edit':
      return <EditDiff removed={text('old_string')} added={text('new_string')} />
    default:
      return <CodeBlock code={JSON.stringify(input, null, 2)} language="json" />
  }
}

/** The edit as it was asked for; the real diff stands in Changes. */
function EditDiff({ removed, added }: { removed: string; added: string }) {
  const lines = [
    ...removed.split('\n').map((line) => ({ sign: '-', line })),
    ...added.split('\n').map((line) => ({ sign: '+', line })),
  ]
  return (
    <pre
      tabIndex={0}
      className="max-h-96 overflow-auto rounded-lg border border-line bg-sunken py-2 font-mono text-xs leading-5"
    >
      {lines.map(({ sign, line }, index) => (
        <div key={index} className={sign === '+' ? 'bg-good-soft px-3 text-good' : 'bg-bad-soft px-3 text-bad'}>
          <span className="sr-only">{sign === '+' ? 'added: ' : 'removed: '}</span>
          <span aria-hidden="true" className="inline-block w-4 select-none">
            {sign}
          </span>
          {revealHidden(line)}
        </div>
      ))}
    </pre>
  )
}
