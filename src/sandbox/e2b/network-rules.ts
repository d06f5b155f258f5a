import type { Network } from '../../shared/network.ts'

/** E2B's form of what a VM may reach: what is not allowed out is denied when everything is. */
export interface NetworkRules {
  readonly allowOut?: string[]
  readonly denyOut?: string[]
}

const EVERYTHING = '0.0.0.0/0'

/**
 * A project's policy as E2B's network rules. E2B decides by host name for TLS and plain HTTP alone and cannot tell reading a
 * registry from writing to it; docs/environment.md says so. Private ranges it denies by itself. Pure.
 */
export function networkRules(network: Network, registryHosts: readonly string[]): NetworkRules {
  switch (network.policy) {
    case 'none':
      return { denyOut: [EVERYTHING] }
    case 'registries':
      return { allowOut: [...registryHosts], denyOut: [EVERYTHING] }
    case 'hosts':
      return { allowOut: [...new Set([...registryHosts, ...network.hosts])], denyOut: [EVERYTHING] }
    case 'open':
      return {}
  }
}
