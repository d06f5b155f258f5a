import { useCallback, useEffect, useRef, useState } from 'react'
import { readStored, writeStored } from '../shell/stored.ts'

const SAVE_AFTER_MS = 250

/** What was typed and not sent, kept for each conversation over reloads. */
export function useDraft(key: string): readonly [string, (text: string) => void] {
  const name = `draft.${key}`
  const [draft, setDraft] = useState({ name, text: readStored(name) ?? '' })
  const current = draft.name === name ? draft : { name, text: readStored(name) ?? '' }
  if (current !== draft) setDraft(current)
  const { text } = current
  const latest = useRef(text)
  latest.current = text
  useEffect(() => {
    const timer = setTimeout(() => save(name, text), SAVE_AFTER_MS)
    return () => clearTimeout(timer)
  }, [name, text])
  // Whoever leaves within that time takes the last words along.
  useEffect(() => {
    const onLeave = (): void => save(name, latest.current)
    window.addEventListener('pagehide', onLeave)
    return () => {
      window.removeEventListener('pagehide', onLeave)
    }
  }, [name])
  const set = useCallback((next: string) => setDraft({ name, text: next }), [name])
  return [text, set]
}

function save(name: string, text: string): void {
  writeStored(name, text === '' ? null : text)
}
