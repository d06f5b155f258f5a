/**
 * Cuts GitHub's own description of its interface (the npm package `@octokit/openapi`, MIT) down to the requests that are
 * made here, without their answers: `node --import tsx test/support/forges/cut-openapi.ts api.github.com.json > test/support/forges/github-openapi.json`.
 */

import { readFileSync } from 'node:fs'

type Json = { readonly [key: string]: unknown }

const WANTED: Readonly<Record<string, readonly string[]>> = {
  '/user': ['get'],
  '/repos/{owner}/{repo}': ['get'],
  '/repos/{owner}/{repo}/forks': ['post'],
  '/repos/{owner}/{repo}/pulls': ['get', 'post'],
  '/repos/{owner}/{repo}/pulls/{pull_number}': ['patch'],
  '/repos/{owner}/{repo}/branches/{branch}': ['get'],
}
const NOISE = new Set('description summary example examples externalDocs tags x-github title'.split(' '))

const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})

function tidy(value: unknown, isNames = false): unknown {
  if (Array.isArray(value)) return value.map((each) => tidy(each))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key]) => isNames || !NOISE.has(key))
  return Object.fromEntries(kept.map(([key, each]) => [key, tidy(each, key === 'properties')]))
}

const whole = objectOf(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
const operation = (path: string, method: string): unknown => {
  const { operationId, parameters, requestBody } = objectOf(objectOf(objectOf(whole['paths'])[path])[method])
  return tidy({ operationId, parameters, requestBody })
}
const paths = Object.fromEntries(
  Object.entries(WANTED).map(([path, methods]) => [
    path,
    Object.fromEntries(methods.map((method) => [method, operation(path, method)])),
  ]),
)
const components: Record<string, Record<string, unknown>> = {}
const collect = (value: unknown): void => {
  for (const each of Object.values(objectOf(value))) collect(each)
  const reference = objectOf(value)['$ref']
  if (typeof reference !== 'string') return
  const [, , kind = '', name = ''] = reference.split('/')
  const known = (components[kind] ??= {})
  if (known[name] !== undefined) return
  known[name] = tidy(objectOf(objectOf(whole['components'])[kind])[name])
  collect(known[name])
}
collect(paths)
const { title, version, license } = objectOf(whole['info'])
process.stdout.write(
  `${JSON.stringify({ openapi: whole['openapi'], info: { title, version, license }, paths, components })}\n`,
)
