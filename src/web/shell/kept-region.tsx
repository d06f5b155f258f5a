import { type ReactNode, type ReactPortal, useLayoutEffect, useRef, useState } from 'react'
import { createPortal } from 'react-dom'
import { PartBoundary } from '../ui/part-boundary.tsx'

/** A region that can be shown in another place: `slot` stands where it is to be seen, `content` somewhere that stays. */
export interface KeptRegion {
  readonly slot: ReactNode
  /** Null while the region holds nothing. */
  readonly content: ReactPortal | null
}

/**
 * Keeps what a region holds, an open dialog or a draft, while the layout around it becomes another one: what is drawn
 * once is moved instead of being made again. The slots must stand before the content in the page, so that there is a
 * place when the content is drawn. `isMounted` false lets go of all that the region holds.
 */
export function useKeptRegion(content: ReactNode, isMounted: boolean): KeptRegion {
  const [element] = useState(() => {
    const made = document.createElement('div')
    made.className = 'flex min-h-0 min-w-0 flex-1 flex-col'
    return made
  })
  return {
    slot: <Slot element={element} />,
    content: isMounted ? createPortal(<PartBoundary>{content}</PartBoundary>, element) : null,
  }
}

function Slot({ element }: { element: HTMLElement }) {
  const ref = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    ref.current?.append(element)
    for (const [scrolled, top] of tops.get(element) ?? []) scrolled.scrollTop = top
    return () => {
      // What is moved in a document forgets how far it was scrolled.
      tops.set(element, scrolledIn(element))
      element.remove()
    }
  }, [element])
  return <div ref={ref} className="contents" />
}

const tops = new WeakMap<HTMLElement, readonly (readonly [Element, number])[]>()

function scrolledIn(region: HTMLElement): (readonly [Element, number])[] {
  return [...region.querySelectorAll('*')].flatMap((element) =>
    element.scrollTop > 0 ? [[element, element.scrollTop] as const] : [],
  )
}
