import { useMemo, useRef, useState } from 'react'
import type { PatchHunk } from '../../../shared/patch.ts'
import { showFault } from '../../ui/toast.tsx'
import { contextFor, type DiffBlock, diffBlocksOf, type Reveal, type WideHunks } from './expand-hunks.ts'

/** Lines that one click shows. */
export const LINES_A_STEP = 20
/** What is read from the server at once, in unchanged lines around each change; the last is the most that it takes. */
const READS = [100, 2_000, 100_000] as const

/** A file’s diff with the unchanged lines that somebody asked for. */
export interface Expansion {
  readonly blocks: readonly DiffBlock[]
  /** The gap whose lines are being read. */
  readonly busyGap: number | null
  /** Not all lines that were asked for could be had: the file is too long for a diff. */
  readonly isCut: boolean
  /** Shows more of a gap: behind the hunk before it, before the hunk after it, or all of it. */
  show(gap: number, where: 'below' | 'above' | 'all'): void
}

interface Shown {
  readonly hunks: readonly PatchHunk[]
  readonly wide: WideHunks | null
  readonly reveals: ReadonlyMap<number, Reveal>
}

/**
 * The file's hunks and what was asked for around them. `read` gets the same hunks with more unchanged lines around each;
 * it is called when lines are wanted that no reading has brought yet. New hunks begin without anything shown.
 */
export function useExpansion(
  hunks: readonly PatchHunk[],
  read: (contextLines: number) => Promise<WideHunks>,
): Expansion {
  const [stored, setShown] = useState<Shown>({ hunks, wide: null, reveals: new Map() })
  const [busyGap, setBusy] = useState<number | null>(null)
  const shown = stored.hunks === hunks ? stored : { hunks, wide: null, reveals: new Map<number, Reveal>() }
  const latest = useRef(hunks)
  latest.current = hunks
  const blocks = useMemo(() => diffBlocksOf(hunks, shown.wide, shown.reveals), [hunks, shown.wide, shown.reveals])

  const show = async (gap: number, where: 'below' | 'above' | 'all'): Promise<void> => {
    const { below, above } = shown.reveals.get(gap) ?? { below: 0, above: 0 }
    const more = where === 'all' ? Math.max(LINES_A_STEP, hiddenIn(blocks, gap)) : LINES_A_STEP
    const reveal = where === 'above' ? { below, above: above + more } : { below: below + more, above }
    const reveals = new Map(shown.reveals).set(gap, reveal)
    const needed = contextFor(reveals)
    if (shown.wide !== null && shown.wide.contextLines >= Math.min(needed, READS[2])) {
      setShown({ ...shown, reveals })
      return
    }
    setBusy(gap)
    try {
      const wide = await read(READS.find((lines) => lines >= needed) ?? READS[2])
      if (latest.current === hunks) setShown({ hunks, wide, reveals })
    } catch (error) {
      showFault(error)
    } finally {
      setBusy(null)
    }
  }
  return {
    blocks,
    busyGap,
    isCut: shown.wide?.truncated ?? false,
    show: (gap, where) => void show(gap, where),
  }
}

function hiddenIn(blocks: readonly DiffBlock[], gap: number): number {
  const found = blocks.find((block) => block.kind === 'gap' && block.index === gap)
  return found?.kind === 'gap' ? (found.hidden ?? 0) : 0
}
