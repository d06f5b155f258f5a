/** What dev servers open beside the pages: Node's inspector, and a socket for reloads of its own. */
const BESIDE = new Set([9229, 9230, 24_678])

/**
 * The port of a service that its preview shows: the one that was named, else the first that its output speaks of
 * (`localhost:5173`), else the first that is not known to be something beside the pages. Null while there is none: also
 * while a named port is not open. Pure.
 */
export function choosePort(ports: readonly number[], wanted: number | null, output: string): number | null {
  if (wanted !== null) return ports.includes(wanted) ? wanted : null
  const spoken = [...output.matchAll(/:(\d{2,5})(?!\d)/g)].map((match) => Number(match[1]))
  const pages = ports.filter((port) => !BESIDE.has(port))
  return spoken.find((port) => pages.includes(port)) ?? pages[0] ?? ports[0] ?? null
}
