import { useEffect, useMemo, useState } from 'react'
import { api } from '../api/client.ts'
import { type Mention, matchPaths, mentionAt } from './mention.ts'

const DEPTH = 12
const FRESH_MS = 20_000

interface Mentions {
  readonly mention: Mention | null
  readonly paths: readonly string[]
  readonly active: number
  readonly setActive: (index: number) => void
  readonly dismiss: () => void
}

/** The files that fit what is typed after `@`. The list of files is read when the first `@` comes. */
export function useMentions(projectId: string, text: string, caret: number): Mentions {
  const [dismissed, setDismissed] = useState<number | null>(null)
  const [active, setActive] = useState(0)
  const found = useMemo(() => mentionAt(text, caret), [text, caret])
  const mention = found === null || found.start === dismissed ? null : found
  const files = useFiles(projectId, mention !== null)
  const query = mention?.query ?? null
  const paths = useMemo(() => (query === null ? [] : matchPaths(files, query)), [files, query])
  useEffect(() => setActive(0), [query])
  return {
    mention: paths.length === 0 ? null : mention,
    paths,
    active: Math.min(active, Math.max(0, paths.length - 1)),
    setActive,
    dismiss: () => setDismissed(found?.start ?? null),
  }
}

function useFiles(projectId: string, isWanted: boolean): readonly string[] {
  const [known, setKnown] = useState<{ projectId: string; at: number; paths: readonly string[] } | null>(null)
  useEffect(() => {
    if (!isWanted || (known?.projectId === projectId && Date.now() - known.at < FRESH_MS)) return
    const leave = new AbortController()
    api.listFiles(projectId, { depth: DEPTH }, leave.signal).then(
      ({ entries }) => {
        const paths = entries.filter((entry) => entry.kind === 'file').map((entry) => entry.path)
        setKnown({ projectId, at: Date.now(), paths })
      },
      // Without the list the @ is a plain character.
      () => undefined,
    )
    return () => leave.abort()
  }, [projectId, isWanted, known])
  return known?.projectId === projectId ? known.paths : []
}
