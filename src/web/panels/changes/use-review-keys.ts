import { type RefObject, useEffect, useRef } from 'react'
import type { Finding } from '../../../shared/review.ts'

interface ReviewKeys {
  /** What scrolls: the sections of files lie in it. */
  readonly region: RefObject<HTMLElement | null>
  /** In the order in which they stand. */
  readonly findings: readonly Finding[]
  onFinding(finding: Finding): void
  /** Marks a file as viewed, or takes the mark away; true: it is marked now. */
  onViewed(path: string): boolean
}

/**
 * Reviewing by keyboard, while the diff is shown: j and k from file to file, n and p from finding to finding, v viewed, o
 * open or closed, l to the changed lines and from there Up and Down, c a comment on the line. Keys that are typed into a
 * field, or pressed with a modifier, stay what they are.
 */
export function useReviewKeys({ region, findings, onFinding, onViewed }: ReviewKeys): void {
  const found = useRef(-1)
  useEffect(() => {
    const run = (key: string): boolean => {
      const element = region.current
      if (element === null) return false
      const file = currentFile(element)
      switch (key) {
        case 'j':
        case 'k':
          return goTo(nextFile(element, file, key === 'j' ? 1 : -1))
        case 'n':
        case 'p': {
          found.current = nextIndex(found.current, findings.length, key === 'n' ? 1 : -1)
          const finding = findings[found.current]
          if (finding === undefined) return false
          onFinding(finding)
          return true
        }
        case 'v': {
          const path = file?.dataset['file']
          if (path === undefined) return false
          if (onViewed(path)) goTo(nextFile(element, file, 1) ?? file)
          return true
        }
        case 'o':
          return press(header(file))
        case 'l':
          return focusLine(firstChange(file))
        case 'c':
          return press(focusedLine(element) ?? firstChange(file))
        case 'ArrowDown':
        case 'ArrowUp':
          return focusLine(lineBeside(element, key === 'ArrowDown' ? 1 : -1))
        default:
          return false
      }
    }
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
      if (isElsewhere(event.target)) return
      if (run(event.key)) event.preventDefault()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  }, [region, findings, onFinding, onViewed])
}

const LINE = 'button[data-comment]'

/** Where letters are text, or a list or menu has keys of its own. */
function isElsewhere(target: EventTarget | null): boolean {
  const others =
    'input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog], [role=menu], [role=tree]'
  return target instanceof HTMLElement && target.closest(others) !== null
}

/** The file that has the focus, else the first that is in sight. */
function currentFile(region: HTMLElement): HTMLElement | null {
  const focused = document.activeElement?.closest<HTMLElement>('section[data-file]') ?? null
  if (focused !== null && region.contains(focused)) return focused
  const { top } = region.getBoundingClientRect()
  return filesIn(region).find((file) => file.getBoundingClientRect().bottom > top + 8) ?? null
}

function filesIn(region: HTMLElement): HTMLElement[] {
  return [...region.querySelectorAll<HTMLElement>('section[data-file]')]
}

/** The next file; from none that has the focus the one in sight. */
function nextFile(region: HTMLElement, current: HTMLElement | null, step: 1 | -1): HTMLElement | null {
  const files = filesIn(region)
  if (current !== null && !current.contains(document.activeElement)) return current
  return files[files.findIndex((file) => file === current) + step] ?? null
}

function header(file: HTMLElement | null): HTMLElement | null {
  return file?.querySelector<HTMLElement>('[data-file-header]') ?? null
}

function goTo(file: HTMLElement | null): boolean {
  if (file === null) return false
  header(file)?.focus({ preventScroll: true })
  file.scrollIntoView({ block: 'start' })
  return true
}

function press(button: HTMLElement | null): boolean {
  button?.click()
  return button !== null
}

function firstChange(file: HTMLElement | null): HTMLElement | null {
  return file?.querySelector<HTMLElement>(`${LINE}:not([data-comment=context])`) ?? null
}

function focusedLine(region: HTMLElement): HTMLElement | null {
  const line = document.activeElement
  return line instanceof HTMLElement && line.matches(LINE) && region.contains(line) ? line : null
}

function lineBeside(region: HTMLElement, step: 1 | -1): HTMLElement | null {
  const focused = focusedLine(region)
  if (focused === null) return null
  const lines = [...region.querySelectorAll<HTMLElement>(LINE)]
  return lines[lines.indexOf(focused) + step] ?? null
}

function focusLine(line: HTMLElement | null): boolean {
  line?.focus({ preventScroll: true })
  line?.scrollIntoView({ block: 'nearest' })
  return line !== null
}

function nextIndex(at: number, length: number, step: 1 | -1): number {
  if (length === 0) return -1
  if (at < 0) return step === 1 ? 0 : length - 1
  return (at + step + length) % length
}
