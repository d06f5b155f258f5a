import { z } from 'zod'
import { code, type Extractor } from './extractor.ts'

const strings = z.record(z.string(), z.unknown()).optional().catch(undefined)

/** The fields of package.json that are used; each one that is malformed counts as absent. */
const PackageJsonSchema = z.object({
  name: z.string().optional().catch(undefined),
  version: z.string().optional().catch(undefined),
  description: z.string().optional().catch(undefined),
  type: z.string().optional().catch(undefined),
  packageManager: z.string().optional().catch(undefined),
  scripts: strings,
  dependencies: strings,
  devDependencies: strings,
  engines: strings,
  workspaces: z.unknown().optional(),
})

/** A package.json as far as it is used; fields of a wrong type are absent. */
export type PackageJson = z.infer<typeof PackageJsonSchema>

/** Reads package.json; null when it is no JSON object. */
export function parsePackageJson(text: string | undefined): PackageJson | null {
  if (text === undefined) return null
  try {
    const parsed = PackageJsonSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

/** The package manager that the project's lock file or `packageManager` field names. */
export function packageManagerOf(json: PackageJson, rootNames: ReadonlySet<string>): string {
  const named = /^(npm|pnpm|yarn|bun)@/.exec(json.packageManager ?? '')?.[1]
  if (named !== undefined) return named
  if (rootNames.has('pnpm-lock.yaml')) return 'pnpm'
  if (rootNames.has('yarn.lock')) return 'yarn'
  if (rootNames.has('bun.lock') || rootNames.has('bun.lockb')) return 'bun'
  return 'npm'
}

const MAX_NAMES = 20

/** Name, module type, package manager, scripts and dependencies from package.json. */
export const node: Extractor = ({ texts, rootNames }) => {
  const json = parsePackageJson(texts.get('package.json'))
  if (json === null) return texts.has('package.json') ? ['package.json is present but not valid JSON'] : []
  const engine = json.engines?.['node']
  const scripts = Object.entries(json.scripts ?? {}).slice(0, MAX_NAMES)
  return [
    `Node package ${code(json.name ?? '(no name)')}${json.description === undefined ? '' : `: ${code(json.description)}`}`,
    `Modules: ${json.type === 'module' ? 'ESM' : 'CommonJS by default'}; package manager: ${packageManagerOf(json, rootNames)}${typeof engine === 'string' ? `; Node ${code(engine)}` : ''}${rootNames.has('node_modules') ? '' : '; dependencies are not installed'}`,
    ...(rootNames.has('tsconfig.json') ? ['TypeScript, configured by `tsconfig.json`'] : []),
    ...(json.workspaces === undefined ? [] : ['Has workspaces (several packages)']),
    ...scripts.map(([name, script]) => `Script ${code(name)}: ${code(String(script))}`),
    ...namesLine('Dependencies', json.dependencies),
    ...namesLine('Development dependencies', json.devDependencies),
  ]
}

function namesLine(label: string, record: Readonly<Record<string, unknown>> | undefined): string[] {
  const names = Object.keys(record ?? {})
  if (names.length === 0) return []
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : ''
  return [`${label}: ${names.slice(0, MAX_NAMES).map(code).join(', ')}${more}`]
}
