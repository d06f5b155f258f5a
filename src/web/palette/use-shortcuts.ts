import { useEffect } from 'react'
import { PANEL_NAMES, type PanelTarget } from '../panels/panel.ts'
import { NEW_CONVERSATION } from '../routing/route.ts'
import { goTo } from '../routing/use-route.ts'

interface Actions {
  readonly projectId: string
  readonly navigate: (target: PanelTarget) => void
  readonly openPalette: () => void
  readonly openHelp: () => void
}

/** Keys that work everywhere in the page; those without a modifier only where nothing is typed. */
export function useShortcuts({ projectId, navigate, openPalette, openHelp }: Actions): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing) return
      if (run(event)) event.preventDefault()
    }
    const run = (event: KeyboardEvent): boolean => {
      const { key, altKey } = event
      if ((event.ctrlKey || event.metaKey) && !altKey && key.toLowerCase() === 'k') {
        openPalette()
        return true
      }
      if (altKey && event.code.startsWith('Digit')) {
        const panel = PANEL_NAMES[Number(event.code.slice(5)) - 1]
        if (panel === undefined) return false
        navigate({ panel })
        return true
      }
      if (altKey && event.code === 'KeyN') {
        goTo({ projectId, conversationId: NEW_CONVERSATION, target: null })
        focusComposer()
        return true
      }
      if (altKey && (key === 'ArrowDown' || key === 'ArrowUp')) return moveBetweenTools(key === 'ArrowDown' ? 1 : -1)
      if (isTyping(event.target) || event.ctrlKey || event.metaKey || altKey) return false
      if (key === '?') {
        openHelp()
        return true
      }
      if (key === '/') {
        focusComposer()
        return true
      }
      return false
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  }, [projectId, navigate, openPalette, openHelp])
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest('input, textarea, select, [contenteditable], [role=dialog]') !== null
  )
}

function focusComposer(): void {
  document.querySelector<HTMLElement>('#composer')?.focus()
}

/** Up and down between the calls of the thread that are in sight or near it. */
function moveBetweenTools(step: 1 | -1): boolean {
  const tools = [...document.querySelectorAll<HTMLElement>('[role=log] [role=group] > div > button')]
  if (tools.length === 0) return false
  const at = tools.indexOf(document.activeElement as HTMLElement)
  const next = at < 0 ? (step === 1 ? 0 : tools.length - 1) : at + step
  tools[next]?.focus()
  return true
}
