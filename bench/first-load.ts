/** A file of the page in Vite's manifest, as far as it matters to what is loaded at first. */
export interface Chunk {
  readonly file: string
  readonly isEntry?: boolean
  readonly imports?: readonly string[]
}

/** The entry and all that it imports at once; what is imported later is not there at first load. Pure. */
export function firstLoadFiles(manifest: Readonly<Record<string, Chunk>>): string[] {
  const files = new Set<string>()
  const follow = (chunk: Chunk | undefined): void => {
    if (chunk === undefined || files.has(chunk.file)) return
    files.add(chunk.file)
    for (const name of chunk.imports ?? []) follow(manifest[name])
  }
  for (const chunk of Object.values(manifest)) if (chunk.isEntry === true) follow(chunk)
  return [...files]
}
