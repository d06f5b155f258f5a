import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Catalog } from './catalog.ts'

type Instrument<S> = S extends { readonly kind: 'counter' }
  ? Counter
  : S extends { readonly kind: 'gauge' }
    ? Gauge
    : Histogram

/** The instruments of a catalog by their names. */
export type Instruments<C extends Catalog> = { readonly [Name in keyof C]: Instrument<C[Name]> }

/** A registry of one's own, with the process's metrics (CPU, memory, event loop, garbage) under our prefix. */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'keelson_', eventLoopMonitoringPrecision: 50 })
  return registry
}

/** Creates what the catalog lists. A name that the registry knows already throws: it is a defect. */
export function createInstruments<C extends Catalog>(registry: Registry, catalog: C): Instruments<C> {
  const made = Object.entries(catalog).map(([name, { kind, help, labels = [], buckets }]) => {
    const options = { name, help, labelNames: [...labels], registers: [registry] }
    if (kind === 'counter') return [name, new Counter(options)]
    if (kind === 'gauge') return [name, new Gauge(options)]
    return [name, new Histogram({ ...options, ...(buckets ? { buckets: [...buckets] } : {}) })]
  })
  return Object.fromEntries(made) as Instruments<C>
}
