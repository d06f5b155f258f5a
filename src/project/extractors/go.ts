import { code, type Extractor } from './extractor.ts'

/** Module path, Go version and number of required modules from go.mod. */
export const go: Extractor = ({ texts }) => {
  const mod = texts.get('go.mod')
  if (mod === undefined) return []
  const name = /^module\s+(\S+)/m.exec(mod)?.[1] ?? '(no name)'
  const version = /^go\s+(\S+)/m.exec(mod)?.[1]
  return [
    `Go module ${code(name)}${version === undefined ? '' : `, Go ${code(version)}`}, ${requiredModules(mod)} required modules`,
  ]
}

/** How many modules a go.mod requires, indirect ones included. One pass over its lines: a repository chooses their number. */
export function requiredModules(mod: string): number {
  let count = 0
  let isInBlock = false
  for (const line of mod.split('\n')) {
    if (isInBlock) {
      const end = line.indexOf(')')
      if (/^\s*[^\s/]/.test(end < 0 ? line : line.slice(0, end))) count++
      isInBlock = end < 0
    } else if (/^require[ \t]*\(/.test(line)) {
      isInBlock = !line.includes(')')
    } else if (/^require[ \t]+[^\s(]/.test(line)) {
      count++
    }
  }
  return count
}
