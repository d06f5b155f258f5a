import { type ComponentType, createElement, lazy, type ReactNode, Suspense, useState } from 'react'
import { PartBoundary } from './part-boundary.tsx'

const NOT_GIVEN = 'The server did not give it: it is away, or newer than this page. Try again, or load the page anew.'

/**
 * A part of the page whose code is loaded when it is first drawn; `fallback` stands there meanwhile. When the server does
 * not give the code, or the part breaks, that is said in its place, the rest of the page goes on, and one may try again.
 */
export function lazyPart<Props extends object>(
  load: () => Promise<{ readonly default: ComponentType<Props> }>,
  fallback: ReactNode = null,
): ComponentType<Props> {
  const begin = () =>
    lazy(async () => {
      try {
        return await load()
      } catch (cause) {
        throw new Error(NOT_GIVEN, { cause })
      }
    })
  // Shared by all places that draw it, so that the second one does not wait.
  let shared = begin()
  return function LazyPart(props: Props) {
    const [part, setPart] = useState(() => shared)
    const retry = (): void => {
      // What failed once is remembered by `lazy`.
      shared = begin()
      setPart(() => shared)
    }
    return (
      <PartBoundary onRetry={retry}>
        <Suspense fallback={fallback}>{createElement(part, props)}</Suspense>
      </PartBoundary>
    )
  }
}
