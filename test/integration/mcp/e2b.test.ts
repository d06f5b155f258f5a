/** The top-level .mcp.json starts E2B's MCP server: from the Python package, through the official MCP client. */

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { expect, test } from 'vitest'

const PACKAGE = 'e2b-mcp-server==0.1.1'
const ROOT = path.resolve(import.meta.dirname, '../../..')
/** Kept between runs, since the package has many dependencies. */
const VENV = path.join(ROOT, '.keelson', 'mcp-venv')
const INSTALL_MS = 240_000

const exec = promisify(execFile)

interface McpFile {
  readonly mcpServers: Readonly<
    Record<string, { readonly command: string; readonly args: string[]; readonly env: Record<string, string> }>
  >
}

const { mcpServers } = JSON.parse(readFileSync(path.join(ROOT, '.mcp.json'), 'utf8')) as McpFile

/** A Python that has the package, made when there is none yet; or why that is not possible. */
async function pythonWithPackage(): Promise<{ python: string } | { reason: string }> {
  const python = path.join(VENV, 'bin', 'python')
  const hasPackage = async () => {
    await exec(python, ['-c', 'import e2b_mcp_server.server'], { timeout: 60_000 })
    return { python }
  }
  try {
    if (existsSync(python)) return await hasPackage()
  } catch {
    // Left half made by a run that was interrupted: installed again.
  }
  try {
    mkdirSync(path.dirname(VENV), { recursive: true })
    await exec('python3', ['-m', 'venv', VENV], { timeout: INSTALL_MS })
    await exec(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', PACKAGE], { timeout: INSTALL_MS })
    return await hasPackage()
  } catch (error) {
    const why = error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : ''
    const line = `python3 -m venv ${VENV} && ${VENV}/bin/pip install ${PACKAGE}`
    return { reason: `This machine cannot install ${PACKAGE} (${why}). To try by hand: ${line}` }
  }
}

// 0.1.1 has no console script, and its server.py run as a module ends at once: its main() lies in the package.
test('.mcp.json names E2B’s server in the form that starts, with the key from the environment', () => {
  expect(mcpServers).toEqual({
    e2b: {
      command: 'uvx',
      args: ['--from', PACKAGE, 'python', '-c', 'import e2b_mcp_server; e2b_mcp_server.main()'],
      env: { E2B_API_KEY: `\${E2B_API_KEY}` },
    },
  })
})

test('the server starts and offers run_code', { timeout: 2 * INSTALL_MS }, async (context) => {
  const found = await pythonWithPackage()
  if ('reason' in found) return context.skip(found.reason)
  const args = mcpServers['e2b']?.args ?? []
  const transport = new StdioClientTransport({
    command: found.python,
    // What uvx would run in an environment of its own.
    args: args.slice(args.indexOf('python') + 1),
    env: { PATH: process.env['PATH'] ?? '', E2B_API_KEY: 'e2b_0000000000000000000000000000000000000000' },
    stderr: 'ignore',
  })
  const client = new Client({ name: 'keelson-test', version: '0.0.0' })
  try {
    await client.connect(transport, { timeout: 60_000 })
    const { tools } = await client.listTools()
    expect(tools.map((tool) => tool.name)).toEqual(['run_code'])
  } finally {
    await client.close()
  }
})
