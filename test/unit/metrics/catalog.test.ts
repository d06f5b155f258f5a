import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { SERVER_METRICS, SHARED_METRICS, WORKER_METRICS } from '../../../src/metrics/catalog.ts'
import { createInstruments, createRegistry } from '../../../src/metrics/instruments.ts'

const CATALOG = { ...SHARED_METRICS, ...WORKER_METRICS, ...SERVER_METRICS }

/** Labels with few values each; none of them names a person, a project or a task. */
const LABELS = [
  ...[
    'activity',
    'code',
    'evidence',
    'kind',
    'method',
    'model',
    'outcome',
    'part',
    'provider',
    'reason',
    'reused',
    'role',
    'route',
  ],
  ...['scope', 'status', 'tool', 'topic', 'verdict'],
]

function exported(): string[] {
  const registry = createRegistry()
  createInstruments(registry, CATALOG)
  return registry.getMetricsAsArray().map((metric) => metric.name)
}

const namesIn = (text: string): string[] => [...new Set(text.match(/keelson_\w+/g))]
const read = (path: string) => readFile(new URL(`../../../${path}`, import.meta.url), 'utf8')

test('the page lists every exported name and no other', async () => {
  expect(namesIn(await read('docs/metrics.md')).sort()).toEqual(exported().sort())
})

test('the page names the labels of each of ours', async () => {
  const rows = (await read('docs/metrics.md')).matchAll(/^\| `(keelson_\w+)` \| ([^|]*)\|/gm)
  const listed = Object.fromEntries([...rows].map(([, name, labels = '']) => [name, labels.trim()]))
  const wanted = Object.entries(CATALOG).map(([name, spec]) => [name, 'labels' in spec ? spec.labels.join(', ') : ''])
  expect(listed).toEqual(Object.fromEntries(wanted))
})

test('the dashboard asks only for names that are exported', async () => {
  const names = new Set(exported().flatMap((name) => [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]))
  const dashboard = JSON.parse(await read('docs/grafana/keelson.json')) as {
    panels: { title: string; targets: { expr: string }[] }[]
  }
  const exprs = dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr))
  expect(exprs.length).toBeGreaterThan(10)
  expect(exprs.flatMap(namesIn).filter((name) => !names.has(name))).toEqual([])
})

test('every label is one of the few', () => {
  const used = Object.values(CATALOG).flatMap((spec) => ('labels' in spec ? [...spec.labels] : []))
  expect([...new Set<string>(used)].sort()).toEqual([...LABELS].sort())
})
