import type { AddressInfo } from 'node:net'
import { createEgressProxy } from '../proxy.ts'
import type { ToolRunner } from './run-tool.ts'

/**
 * The hosts and ports that a tool of this host connects to while it does one small thing, in the order of the first
 * connection, and whether it succeeded: one that did not may have had more to ask. The recorder is a proxy on a port of loopback that lets everything pass; it lives as long as the tool.
 */
export async function recordHosts(
  runner: ToolRunner,
  command: {
    program: string
    args: readonly string[]
    cwd: string
    env?: Readonly<Record<string, string>>
    timeoutMs?: number
  },
): Promise<{ readonly hosts: readonly { host: string; port: number }[]; readonly succeeded: boolean }> {
  const seen = new Map<string, { host: string; port: number }>()
  const recorder = createEgressProxy({
    decide: ({ host, port }) => {
      seen.set(`${host}:${port}`, { host, port })
      return { action: 'tunnel', addresses: 'configured' }
    },
    hostProxies: () => runner.hostProxies,
  })
  await new Promise<void>((resolve, reject) => {
    recorder.once('error', reject)
    recorder.listen(0, '127.0.0.1', resolve)
  })
  try {
    const { port } = recorder.address() as AddressInfo
    const printed = await runner.run(command.program, command.args, {
      cwd: command.cwd,
      env: { ...proxyVariables(port), ...command.env },
      ...(command.timeoutMs === undefined ? {} : { timeoutMs: command.timeoutMs }),
    })
    return { hosts: [...seen.values()], succeeded: printed !== null }
  } finally {
    recorder.closeAllConnections()
    recorder.close()
  }
}

function proxyVariables(port: number): Record<string, string> {
  const url = `http://127.0.0.1:${port}`
  const jvm = ['http', 'https']
    .map((scheme) => `-D${scheme}.proxyHost=127.0.0.1 -D${scheme}.proxyPort=${port}`)
    .join(' ')
  return {
    http_proxy: url,
    https_proxy: url,
    HTTP_PROXY: url,
    HTTPS_PROXY: url,
    YARN_HTTP_PROXY: url,
    YARN_HTTPS_PROXY: url,
    MAVEN_OPTS: jvm,
    MAVEN_ARGS: '-Daether.connector.http.useSystemProperties=true',
  }
}
