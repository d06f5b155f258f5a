import { useEffect, useState } from 'react'
import type { HighlightAnswer, HighlightRequest, Token } from './highlight-worker.ts'
import type { Language } from './languages.ts'

/** Coloured runs, line by line. */
export type TokenLines = readonly (readonly Token[])[]

/** Longer code stays plain: colour is not worth the wait. */
const MAX_CODE_CHARACTERS = 200_000
const MAX_KEPT = 100
const TIMEOUT_MS = 10_000

const kept = new Map<string, TokenLines>()
const waiting = new Map<number, (lines: TokenLines | null) => void>()
let worker: Worker | undefined
let lastId = 0

function theWorker(): Worker {
  if (worker !== undefined) return worker
  worker = new Worker(new URL('./highlight-worker.ts', import.meta.url), { type: 'module' })
  worker.addEventListener('message', (event: MessageEvent<HighlightAnswer>) => {
    waiting.get(event.data.id)?.(event.data.lines)
  })
  // Without colours everything still works, so a worker that cannot run is only not asked again.
  worker.addEventListener('error', () => {
    for (const answer of waiting.values()) answer(null)
  })
  return worker
}

/** Colours of code, line by line; null when it stays plain (too long, no answer). Never rejects; answers are kept. */
export function highlight(code: string, language: Language): Promise<TokenLines | null> {
  if (code.length > MAX_CODE_CHARACTERS) return Promise.resolve(null)
  const key = `${language}\n${code}`
  const known = kept.get(key)
  if (known !== undefined) return Promise.resolve(known)
  lastId++
  const id = lastId
  return new Promise((resolve) => {
    const finish = (lines: TokenLines | null): void => {
      clearTimeout(timer)
      waiting.delete(id)
      if (lines !== null) keep(key, lines)
      resolve(lines)
    }
    const timer = setTimeout(() => finish(null), TIMEOUT_MS)
    waiting.set(id, finish)
    theWorker().postMessage({ id, code, language } satisfies HighlightRequest)
  })
}

function keep(key: string, lines: TokenLines): void {
  kept.set(key, lines)
  const oldest = kept.keys().next()
  if (kept.size > MAX_KEPT && !oldest.done) kept.delete(oldest.value)
}

/** The same for a component: null until the colours are there. `language` null never asks. */
export function useHighlight(code: string, language: Language | null): TokenLines | null {
  const [answer, setAnswer] = useState<{ code: string; lines: TokenLines | null }>({ code: '', lines: null })
  useEffect(() => {
    if (language === null) return
    let isWanted = true
    void highlight(code, language).then((lines) => {
      if (isWanted) setAnswer({ code, lines })
    })
    return () => {
      isWanted = false
    }
  }, [code, language])
  return answer.code === code && language !== null ? answer.lines : null
}
