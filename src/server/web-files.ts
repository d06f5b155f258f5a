import { readdirSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where `vite build` puts the page, seen from the compiled server. */
const BUILT_PAGE = fileURLToPath(new URL('../web/', import.meta.url))

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
}

/** A file of the page. */
export interface WebFile {
  readonly data: Uint8Array<ArrayBuffer>
  readonly mediaType: string
  readonly isGzip: boolean
}

/** The built page, read from disk once. */
export interface WebFiles {
  /** index.html with `__NONCE__` in the places of the nonce. */
  readonly index: string
  /** One asset by its name; undefined for a name that the build did not make. */
  readAsset(name: string, options: { acceptsGzip: boolean }): Promise<WebFile | undefined>
}

/** The built page; undefined where it was not built. Reads the list of files once: a new build needs a new server. */
export function findWebFiles(directory: string = BUILT_PAGE): WebFiles | undefined {
  const names = assetNames(directory)
  if (names === undefined) return undefined
  const index = readFileSync(join(directory, 'index.html'), 'utf8')
  return {
    index,
    readAsset: async (name, { acceptsGzip }) => {
      const mediaType = MEDIA_TYPES[extname(name)]
      if (mediaType === undefined || !names.has(name)) return undefined
      const isGzip = acceptsGzip && names.has(`${name}.gz`)
      const data = await readFile(join(directory, 'assets', isGzip ? `${name}.gz` : name))
      return { data, mediaType, isGzip }
    },
  }
}

function assetNames(directory: string): ReadonlySet<string> | undefined {
  try {
    // The manifest is written last: without it the directory is no finished build.
    readFileSync(join(directory, '.vite', 'manifest.json'))
    return new Set(readdirSync(join(directory, 'assets')))
  } catch {
    return undefined
  }
}
