import { code, type Extractor } from './extractor.ts'

const TOOLS = ['pytest', 'ruff', 'mypy', 'black', 'poetry', 'hatch', 'pdm', 'uv', 'setuptools']

/** Name, Python version and configured tools from pyproject.toml; requirements files by name. */
export const python: Extractor = ({ texts, rootNames }) => {
  const pyproject = texts.get('pyproject.toml')
  const requirements = [...texts.keys()].filter((name) => name.startsWith('requirements')).sort()
  if (pyproject === undefined && requirements.length === 0 && !rootNames.has('setup.py')) return []
  const name = tomlString(pyproject, 'name')
  const version = tomlString(pyproject, 'requires-python') ?? texts.get('.python-version')
  const tools = TOOLS.filter((tool) => pyproject?.includes(`[tool.${tool}`) === true)
  return [
    `Python project${name === null ? '' : ` ${code(name)}`}${version == null ? '' : `, Python ${code(version)}`}`,
    ...(tools.length === 0 ? [] : [`Tools configured in pyproject.toml: ${tools.join(', ')}`]),
    ...(requirements.length === 0 ? [] : [`Requirements: ${requirements.map(code).join(', ')}`]),
  ]
}

/** The first `key = "value"` at a line's start; enough for the two keys asked for, and it cannot fail. */
function tomlString(text: string | undefined, key: string): string | null {
  return new RegExp(`^${key}\\s*=\\s*["']([^"'\\n]*)["']`, 'm').exec(text ?? '')?.[1] ?? null
}
