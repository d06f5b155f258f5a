import { realpath, stat } from 'node:fs/promises'
import { sep } from 'node:path'

/**
 * The real path of a directory below one of the roots, links followed on both sides; null for anything else, whether it is
 * missing, forbidden, no directory or elsewhere: the caller must not learn which. A root itself is not below it.
 */
export async function allowedPath(path: string, roots: readonly string[]): Promise<string | null> {
  const real = await realDirectory(path)
  if (real === null) return null
  for (const root of roots) {
    const realRoot = await realDirectory(root)
    if (realRoot !== null && real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) return real
  }
  return null
}

async function realDirectory(path: string): Promise<string | null> {
  try {
    const real = await realpath(path)
    return (await stat(real)).isDirectory() ? real : null
  } catch {
    // Missing or forbidden: the same to whoever asks.
    return null
  }
}
