import { code, type Extractor } from './extractor.ts'

/** The targets of a Makefile, at most 20. */
export const make: Extractor = ({ texts }) => {
  const targets = makeTargets(texts.get('Makefile') ?? texts.get('makefile') ?? '')
  return targets.length === 0 ? [] : [`Make targets: ${targets.slice(0, 20).map(code).join(', ')}`]
}

/** Names of explicit targets, in their order; patterns, variables and special targets are none. */
export function makeTargets(makefile: string): string[] {
  const names = [...makefile.matchAll(/^([A-Za-z0-9][\w./ \t-]*):{1,2}(?![=:])/gm)].flatMap((match) =>
    (match[1] ?? '').split(/[ \t]+/),
  )
  return [...new Set(names)].filter((name) => name !== '')
}
