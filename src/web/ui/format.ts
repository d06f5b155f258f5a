/** Figures as people read them; pure. */

/** 0.4 s, 12 s, 3 min 20 s, 1 h 5 min. Below a tenth of a second: milliseconds. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 100) return `${Math.max(0, Math.round(durationMs))} ms`
  const seconds = durationMs / 1_000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Time that still runs, in whole seconds: a figure that changes no oftener than it is read. */
export function formatElapsed(durationMs: number): string {
  const seconds = Math.floor(durationMs / 1_000)
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1_000)
}

/** $0.0042, $0.31, $12.40; "unpriced" when nobody knows the price. */
export function formatCost(costUsd: number | null): string {
  if (costUsd === null) return 'unpriced'
  if (costUsd === 0) return '$0'
  return costUsd < 0.1 ? `$${costUsd.toFixed(4)}` : `$${costUsd.toFixed(2)}`
}

/** 950, 1.2k, 34k, 1.2M. */
export function formatCount(count: number): string {
  if (count < 1_000) return String(count)
  if (count < 10_000) return `${(count / 1_000).toFixed(1)}k`
  if (count < 1_000_000) return `${Math.round(count / 1_000)}k`
  return `${(count / 1_000_000).toFixed(1)}M`
}

/** 12 B, 3.4 KiB, 5.1 MiB. */
export function formatBytes(sizeBytes: number): string {
  if (sizeBytes < 1_024) return `${sizeBytes} B`
  const kib = sizeBytes / 1_024
  return kib < 1_024 ? `${kib.toFixed(1)} KiB` : `${(kib / 1_024).toFixed(1)} MiB`
}

/** 42 % of a whole; a dash when there is no whole. */
export function formatShare(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.round((100 * part) / whole)} %`
}

/** "1 file", "3 files". */
export function formatPlural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}

/** The day and the minute, as this browser's people write them. */
export function formatMoment(time: string): string {
  return new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
}

/** "just now", "5 min ago", "3 h ago", else the day. */
export function formatAgo(time: string | number, now: number = Date.now()): string {
  const at = typeof time === 'string' ? Date.parse(time) : time
  const minutes = Math.floor((now - at) / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`
  return new Date(at).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
}
