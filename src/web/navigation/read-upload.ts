/** Files that a person chose, as the text that a project may be made of. */

import { kindsOfFiles } from '../../shared/places.ts'

/** The server takes a megabyte of JSON; escapes take some of it. */
const MAX_TOTAL_CHARACTERS = 900_000
const MAX_FILES = 2_000

/** What goes to the server, by path, and what does not. */
export interface Upload {
  readonly files: Readonly<Record<string, string>>
  /** Paths that are not among them, and why. */
  readonly leftOut: readonly { readonly path: string; readonly why: string }[]
}

/** What of a file this needs; a browser's File is one. */
export interface ChosenFile {
  readonly name: string
  readonly size: number
  /** With the folder's name in front, when a folder was chosen. */
  readonly webkitRelativePath?: string
  arrayBuffer(): Promise<ArrayBuffer>
}

/** Reads what is text and fits; names what it left out. Throws what reading a file throws. */
export async function readUpload(chosen: readonly ChosenFile[]): Promise<Upload> {
  const files: Record<string, string> = {}
  const leftOut: { path: string; why: string }[] = []
  let total = 0
  const kindOf = kindsOfFiles(chosen.map(pathOf))
  for (const file of chosen) {
    const path = pathOf(file)
    const refuse = (why: string): void => void leftOut.push({ path, why })
    if (kindOf(path) !== 'source') refuse('is made by tools')
    else if (Object.keys(files).length >= MAX_FILES) refuse(`there are more than ${MAX_FILES} files`)
    else if (total + file.size > MAX_TOTAL_CHARACTERS) refuse('all together would be too large; use a git URL')
    else {
      const text = textOf(await file.arrayBuffer())
      if (text === null) refuse('is not text')
      else {
        files[path] = text
        total += text.length
      }
    }
  }
  return { files, leftOut }
}

function pathOf(file: ChosenFile): string {
  const relative = file.webkitRelativePath ?? ''
  // The chosen folder becomes the workspace itself.
  return relative === '' ? file.name : relative.slice(relative.indexOf('/') + 1)
}

function textOf(data: ArrayBuffer): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(data)
    return text.includes('\0') ? null : text
  } catch {
    return null
  }
}
