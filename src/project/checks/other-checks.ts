import { z } from 'zod'
import { requiredModules } from '../extractors/go.ts'
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

/** RSpec where there are specs, else Rails' or the Rakefile's tests; by Bundler where the project has a Gemfile. */
export const rubyChecks: Detector = ({ texts, names, paths }) => {
  if (!texts.has('Gemfile') && !texts.has('Rakefile')) return NOTHING
  const [program, by] = texts.has('Gemfile') ? ['bundle', 'bundle exec '] : ['rake', '']
  if (names.has('spec')) return only(aCheck('test', byProgram(by === '' ? 'rspec' : program, `${by}rspec`)))
  if (paths.includes('bin/rails') && names.has('test'))
    return only(aCheck('test', byProgram(program, `${by}rails test`)))
  if (/\btest\b/i.test(texts.get('Rakefile') ?? '')) return only(aCheck('test', byProgram(program, `${by}rake test`)))
  return {
    checks: [],
    leftOut: [{ name: 'test', reason: 'there is no spec directory, and no Rakefile with a task test' }],
  }
}

const ComposerSchema = z.object({ scripts: z.record(z.string(), z.unknown()).optional().catch(undefined) })

/** Composer: its own test script, else Pest or PHPUnit where they are configured or required. */
export const phpChecks: Detector = ({ texts, names }) => {
  const text = texts.get('composer.json')
  const isConfigured = names.has('phpunit.xml') || names.has('phpunit.xml.dist')
  if (text === undefined && !isConfigured) return NOTHING
  const scripts = composerScripts(text ?? '')
  const script = ['test', 'tests', 'phpunit', 'pest', 'unit'].find((name) => scripts[name] !== undefined)
  if (script !== undefined)
    return only(aCheck('test', byProgram('composer', `composer run-script --no-interaction ${script}`)))
  const runner = /"pestphp\/pest"/.test(text ?? '') ? 'pest' : 'phpunit'
  if (!isConfigured && !/"(?:phpunit\/phpunit|pestphp\/pest)"/.test(text ?? ''))
    return {
      checks: [],
      leftOut: [{ name: 'test', reason: 'composer.json has no test script, and PHPUnit is not configured' }],
    }
  const program = `vendor/bin/${runner}`
  const where = isConfigured ? '' : ' tests'
  return only(
    aCheck('test', { command: `php ${program}${where}`, probe: `command -v php && [ -f ${program} ]`, needs: program }),
  )
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
