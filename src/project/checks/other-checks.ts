import { z } from 'zod'
import { requiredModules } from '../extractors/go.ts'
import { makeTargets } from '../extractors/make.ts'
import { cargoDependencies } from '../extractors/rust.ts'
import { aCheck, byProgram, type DetectedCheck, type Detector, NOTHING } from './candidate.ts'

const only = (...checks: readonly DetectedCheck[]) => ({ checks, leftOut: [] })

/** Go: without required modules, or with vendored ones, nothing is asked of a proxy. */
export const goChecks: Detector = ({ texts, names }) => {
  const mod = texts.get('go.mod')
  if (mod === undefined) return NOTHING
  const proxy = requiredModules(mod) === 0 || names.has('vendor') ? 'GOPROXY=off ' : ''
  return only(
    aCheck('test', byProgram('go', `${proxy}GOFLAGS=-buildvcs=false go test ./...`)),
    aCheck('lint', byProgram('go', `${proxy}go vet ./...`)),
  )
}

/** Cargo: a package of the root's workspace is tested with it. */
export const rustChecks: Detector = (files, root) => {
  const cargo = files.texts.get('Cargo.toml')
  if (cargo === undefined) return NOTHING
  if (files !== root && /^\[workspace\]/m.test(root.texts.get('Cargo.toml') ?? '')) return NOTHING
  const all = /^\[workspace\]/m.test(cargo) ? ' --workspace' : ''
  const offline = cargoDependencies(cargo).length === 0 || files.names.has('vendor') ? ' --offline' : ''
  return only(aCheck('test', byProgram('cargo', `cargo test${all}${offline}`)))
}

/** Bundler: RSpec where there are specs, else the Rakefile's tests. */
export const rubyChecks: Detector = ({ texts, names }) => {
  if (!texts.has('Gemfile')) return NOTHING
  if (names.has('spec')) return only(aCheck('test', byProgram('bundle', 'bundle exec rspec')))
  if (/\btest\b/i.test(texts.get('Rakefile') ?? ''))
    return only(aCheck('test', byProgram('bundle', 'bundle exec rake test')))
  return NOTHING
}

const ComposerSchema = z.object({ scripts: z.record(z.string(), z.unknown()).optional().catch(undefined) })

/** Composer: its own test script, else PHPUnit where it is configured. */
export const phpChecks: Detector = ({ texts, names }) => {
  const text = texts.get('composer.json')
  if (text === undefined) return NOTHING
  if (composerScripts(text)['test'] !== undefined) {
    return only(aCheck('test', byProgram('composer', 'composer run-script --no-interaction test')))
  }
  if (!names.has('phpunit.xml') && !names.has('phpunit.xml.dist')) return NOTHING
  const probe = 'command -v php && [ -f vendor/bin/phpunit ]'
  return only(aCheck('test', { command: 'php vendor/bin/phpunit', probe, needs: 'vendor/bin/phpunit' }))
}

function composerScripts(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed = ComposerSchema.safeParse(JSON.parse(text))
    return parsed.data?.scripts ?? {}
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}

/** Maven and Gradle, by their wrappers where the project has them; modules belong to the root's build. */
export const javaChecks: Detector = (files, root) => {
  const { names } = files
  const isBelow = (...signs: readonly string[]) => files !== root && signs.some((sign) => root.names.has(sign))
  if (names.has('pom.xml')) {
    if (isBelow('pom.xml')) return NOTHING
    const own = names.has('mvnw')
    return only(aCheck('test', byProgram(own ? 'java' : 'mvn', `${own ? 'sh ./mvnw' : 'mvn'} -B -q -ntp test`)))
  }
  const gradle = ['build.gradle', 'build.gradle.kts', 'settings.gradle', 'settings.gradle.kts']
  if (!gradle.some((name) => names.has(name)) || isBelow(...gradle)) return NOTHING
  const own = names.has('gradlew')
  return only(aCheck('test', byProgram(own ? 'java' : 'gradle', `${own ? 'sh ./gradlew' : 'gradle'} --no-daemon test`)))
}

/** Mix, Deno and .NET: one command each. */
export const moreChecks: Detector = ({ names, paths, texts }) => {
  if (names.has('mix.exs')) return only(aCheck('test', byProgram('mix', 'mix test')))
  if ((names.has('deno.json') || names.has('deno.jsonc')) && !texts.has('package.json'))
    return only(aCheck('test', byProgram('deno', 'deno test')))
  if (paths.some((path) => /^[^/]+\.(?:sln|csproj|fsproj)$/.test(path)))
    return only(aCheck('test', byProgram('dotnet', 'dotnet test')))
  return NOTHING
}

/** Make: its targets of these names. */
export const makeChecks: Detector = ({ texts }) => {
  const file = ['GNUmakefile', 'makefile', 'Makefile'].find((name) => texts.has(name)) ?? ''
  const targets = makeTargets(texts.get(file) ?? '')
  return only(
    ...['test', 'lint', 'check']
      .filter((name) => targets.includes(name))
      .map((name) => aCheck(name, byProgram('make', `make ${name}`))),
  )
}
