/** `+3 −1`, with words for screen readers. */
export function LineCounts({ added, removed }: { added: number; removed: number }) {
  return (
    <span className="shrink-0 font-mono text-xs tabular-nums">
      <span className="sr-only">{`${added} lines added, ${removed} removed`}</span>
      <span aria-hidden="true">
        <span className="text-good">+{added}</span> <span className="text-bad">−{removed}</span>
      </span>
    </span>
  )
}
