import { useState } from 'react'
import { showFault } from './toast.tsx'

/** The act under way, null when there is none, and a function that runs one: a failure is shown, and ends it as success does. */
export function useBusy<What extends string>(): [
  busy: What | null,
  run: (what: What, work: () => Promise<unknown>) => Promise<void>,
] {
  const [busy, setBusy] = useState<What | null>(null)
  const run = async (what: What, work: () => Promise<unknown>): Promise<void> => {
    setBusy(what)
    try {
      await work()
    } catch (error) {
      showFault(error)
    } finally {
      setBusy(null)
    }
  }
  return [busy, run]
}
