import { code, type Extractor } from './extractor.ts'

/** Package name, edition and dependencies from Cargo.toml. */
export const rust: Extractor = ({ texts }) => {
  const cargo = texts.get('Cargo.toml')
  if (cargo === undefined) return []
  const name = /^name\s*=\s*"([^"\n]*)"/m.exec(cargo)?.[1]
  const edition = /^edition\s*=\s*"([^"\n]*)"/m.exec(cargo)?.[1]
  const dependencies = cargoDependencies(cargo)
  return [
    `Rust ${cargo.includes('[workspace]') ? 'workspace' : 'package'}${name === undefined ? '' : ` ${code(name)}`}${edition === undefined ? '' : `, edition ${edition}`}`,
    ...(dependencies.length === 0 ? [] : [`Dependencies: ${dependencies.slice(0, 20).map(code).join(', ')}`]),
  ]
}

/** Names in every dependency table of a Cargo.toml. */
export function cargoDependencies(cargo: string): string[] {
  const names: string[] = []
  let within = false
  for (const line of cargo.split('\n')) {
    const table = /^\s*\[([^\]]+)\]/.exec(line)?.[1]
    if (table !== undefined) {
      within = /(?:^|\.)(?:dev-|build-)?dependencies$/.test(table)
      const single = /(?:^|\.)(?:dev-|build-)?dependencies\.([\w-]+)$/.exec(table)?.[1]
      if (single !== undefined) names.push(single)
    } else if (within) {
      const name = /^\s*([\w-]+)\s*(?:=|\.)/.exec(line)?.[1]
      if (name !== undefined) names.push(name)
    }
  }
  return names
}
