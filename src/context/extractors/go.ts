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

/** How many modules a go.mod requires, indirect ones included. */
export function requiredModules(mod: string): number {
  const blocks = [...mod.matchAll(/^require\s*\(([^)]*)\)/gm)].map((match) => match[1] ?? '')
  const lines = blocks.flatMap((block) => block.split('\n')).filter((line) => /^\s*[^\s/]/.test(line))
  return lines.length + [...mod.matchAll(/^require\s+[^\s(]/gm)].length
}
