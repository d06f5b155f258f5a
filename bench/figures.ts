/** What a run of the benchmark found: figures by name, printed as a table, saved, and compared with an earlier run. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'

export type Unit = 'ms' | 'MiB' | 'tasks/s' | '%' | ''

export interface Figure {
  /** Names the figure in saved results. */
  readonly key: string
  readonly what: string
  readonly value: number
  readonly unit: Unit
  /** As docs and README state it; empty: none. */
  readonly target: string
  /**
   * The figure that this one is divided by before it is compared with another run, which takes the machine's speed of the
   * hour out of it. Left out: it is a count and compared as it is. null: it is not compared.
   */
  readonly per?: string | null
}

export interface SavedRun {
  readonly at: string
  readonly machine: { readonly cores: number; readonly model: string; readonly node: string }
  readonly load: number
  readonly figures: Readonly<Record<string, number>>
}

const RESULTS = path.join(import.meta.dirname, 'results')
/** A figure that is so much worse than the last saved one fails `npm run bench:check`. */
const MAX_WORSE = 0.15

function shown({ value, unit }: Figure): string {
  const digits = unit === '%' || unit === 'tasks/s' || (value < 10 && !Number.isInteger(value)) ? 1 : 0
  return `${value.toFixed(digits)} ${unit}`.trimEnd()
}

/** The table that people read. */
export function tableOf(figures: readonly Figure[]): string {
  const width = Math.max(...figures.map((figure) => figure.what.length))
  return figures.map((each) => `${each.what.padEnd(width)}  ${shown(each).padStart(12)}  ${each.target}`).join('\n')
}

function machine(): SavedRun['machine'] {
  const all = cpus()
  return { cores: all.length, model: all[0]?.model ?? 'unknown', node: process.version }
}

/** Writes the figures into `bench/results/`, one file a run; returns its path. `load`: of the machine before the run. */
export function save(figures: readonly Figure[], load: number): string {
  mkdirSync(RESULTS, { recursive: true })
  const at = new Date().toISOString()
  const values = Object.fromEntries(figures.map(({ key, value }) => [key, Math.round(value * 1_000) / 1_000]))
  const run: SavedRun = { at, machine: machine(), load: Math.round(load * 100) / 100, figures: values }
  const file = path.join(RESULTS, `${at.slice(0, 19).replaceAll(':', '-')}.json`)
  writeFileSync(file, `${JSON.stringify(run, null, 2)}\n`)
  return file
}

/** The newest saved run of a machine like this one; null: there is none. */
export function lastSaved(): SavedRun | null {
  const own = machine()
  const isLikeOurs = (run: SavedRun) =>
    run.machine.cores === own.cores && run.machine.model === own.model && run.machine.node === own.node
  let files: string[]
  try {
    files = readdirSync(RESULTS).filter((name) => name.endsWith('.json'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  const runs = files.sort().map((name) => JSON.parse(readFileSync(path.join(RESULTS, name), 'utf8')) as SavedRun)
  return runs.findLast(isLikeOurs) ?? null
}

/** Sentences about what is worse than in an earlier run by more than 15 %; empty: nothing is. Pure. */
export function worseThan(before: SavedRun, figures: readonly Figure[]): string[] {
  const now = new Map(figures.map(({ key, value }) => [key, value]))
  return figures.flatMap((figure) => {
    const { key, per, unit, what } = figure
    const was = before.figures[key]
    if (per === null || was === undefined) return []
    const [unitWas, unitNow] = per === undefined ? [1, 1] : [before.figures[per], now.get(per)]
    if (!unitWas || !unitNow || was === 0) return []
    // Of tasks a second more is better, so there the ratio stands on its head.
    const isRate = unit === 'tasks/s'
    const ratio = isRate ? (was * unitWas) / (figure.value * unitNow) : figure.value / unitNow / (was / unitWas)
    return ratio > 1 + MAX_WORSE ? [`${what}: ${Math.round((ratio - 1) * 100)} % worse than the last saved run`] : []
  })
}
