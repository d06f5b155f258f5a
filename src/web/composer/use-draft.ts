import { useCallback, useEffect, useState } from 'react'
import { readStored, writeStored } from '../shell/stored.ts'

const SAVE_AFTER_MS = 250

/** What was typed and not sent, kept for each conversation over reloads. */
export function useDraft(key: string): readonly [string, (text: string) => void] {
  const name = `draft.${key}`
  const [draft, setDraft] = useState({ name, text: readStored(name) ?? '' })
  const current = draft.name === name ? draft : { name, text: readStored(name) ?? '' }
  if (current !== draft) setDraft(current)
  const { text } = current
  useEffect(() => {
    const timer = setTimeout(() => writeStored(name, text === '' ? null : text), SAVE_AFTER_MS)
    return () => clearTimeout(timer)
  }, [name, text])
  const set = useCallback((next: string) => setDraft({ name, text: next }), [name])
  return [text, set]
}
