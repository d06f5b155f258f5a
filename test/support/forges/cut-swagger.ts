/**
 * Cuts Gitea's own description of its interface (`templates/swagger/v1_json.tmpl` of the Go module `code.gitea.io/gitea`, MIT)
 * down to the requests that are made here:
 * `node --import tsx test/support/forges/cut-swagger.ts v1_json.tmpl > test/support/forges/gitea-requests.json`.
 */

import { readFileSync } from 'node:fs'

type Json = { readonly [key: string]: unknown }

const WANTED: Readonly<Record<string, readonly string[]>> = {
  '/repos/{owner}/{repo}/branches/{branch}': ['get'],
  '/repos/{owner}/{repo}/forks': ['get', 'post'],
  '/repos/{owner}/{repo}/pulls': ['get', 'post'],
  '/repos/{owner}/{repo}/pulls/{base}/{head}': ['get'],
  '/repos/{owner}/{repo}/pulls/{index}': ['patch'],
}
const KEPT = ['type', 'format', 'enum', 'items', 'minimum', 'maximum', 'required', 'properties']

const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})

/** A schema without words, with what it refers to in its place. */
function schemaOf(value: unknown): unknown {
  const schema = objectOf(value)
  const reference = schema['$ref']
  if (typeof reference === 'string') return schemaOf(objectOf(whole['definitions'])[reference.split('/').at(-1) ?? ''])
  const kept = KEPT.filter((key) => schema[key] !== undefined).map((key) => [key, schema[key]] as const)
  return Object.fromEntries(
    kept.map(([key, each]) => {
      if (key === 'items') return [key, schemaOf(each)]
      if (key !== 'properties') return [key, each]
      return [key, Object.fromEntries(Object.entries(objectOf(each)).map(([name, one]) => [name, schemaOf(one)]))]
    }),
  )
}

// What the template puts in are words.
const whole = objectOf(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8').replace(/\{\{.*?\}\}/g, 'x')))
const documented = Object.entries(WANTED).flatMap(([path, methods]) =>
  methods.map((method) => {
    const operation = objectOf(objectOf(objectOf(whole['paths'])[path])[method])
    const parameters = Array.isArray(operation['parameters']) ? operation['parameters'].map(objectOf) : []
    const query = parameters.filter((each) => each['in'] === 'query')
    const body = parameters.find((each) => each['in'] === 'body')
    return {
      method: method.toUpperCase(),
      path,
      query: Object.fromEntries(
        query.map((each) => [String(each['name']), schemaOf({ ...each, required: undefined })]),
      ),
      ...(body === undefined ? {} : { body: schemaOf(body['schema']) }),
    }
  }),
)
process.stdout.write(`${JSON.stringify(documented)}\n`)
