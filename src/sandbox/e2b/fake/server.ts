/**
 * A stand-in for E2B, version-tagged envd 0.6.13 / SDK 2.51.0: a control plane and, for every "VM", an envd, on one port of
 * loopback. FOR TESTS AND DEMONSTRATIONS: its VMs are processes of this host (see vm.ts). What it keeps of the real one is
 * what trips programs up: output without a reader is dropped, an exit code is kept for 30 s, a kill reaches one process, a
 * deadline kills, life ends and then pauses or removes, and the codes are E2B's.
 */

import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { answerEnvd } from './envd.ts'
import { answerJson, readRequest } from './http.ts'
import { startVm, type Vm } from './vm.ts'

const ENVD_VERSION = '0.6.13'
const PAGE = 50

/** Where the stand-in for E2B keeps its VMs, and with which programs they run. */
export interface FakeE2bOptions {
  readonly dir: string
  readonly bwrapPath: string
  readonly nodePath: string
  /** The one key that is accepted. */
  readonly apiKey: string
  readonly port?: number
  /** Longest continuous life of a VM; E2B's Hobby plan has an hour. */
  readonly maxLifeMs?: number
}

/** What the control plane answers instead of working: a status, a broken connection, or nothing wrong. */
export type Trouble = number | 'cut' | null

/** A running stand-in for E2B, with what it was asked and ways to disturb it. */
export interface FakeE2b {
  readonly url: string
  /** Every request as `METHOD /path`, and who was asked: the API or a VM. */
  readonly requests: { readonly plane: 'api' | 'vm'; readonly line: string }[]
  readonly created: { timeout?: number; autoPause?: boolean; metadata: Record<string, string> }[]
  /** What each VM was told that it may reach; the stand-in's VMs reach nothing all the same. */
  readonly networks: Map<string, { allowOut: string[]; denyOut: string[] }>
  trouble: { api: Trouble; vm: Trouble }
  vmIds(): string[]
  /** Where the home directory of a VM lies on this host, by the id of its sandbox; the agent's, who may do all there. */
  homeOf(sandboxId: string): string
  /** A VM vanishes, as when its host dies. */
  lose(vmId: string): Promise<void>
  close(): Promise<void>
}

interface Instance {
  readonly id: string
  readonly vm: Vm
  readonly token: string
  readonly templateId: string
  readonly metadata: Record<string, string>
  readonly autoPause: boolean
  startedAt: number
  endAt: number
  state: 'running' | 'paused'
  timer: NodeJS.Timeout | null
}

/** Starts it on loopback. `close` ends every VM and removes the directory. */
export async function startFakeE2b(options: FakeE2bOptions): Promise<FakeE2b> {
  mkdirSync(options.dir, { recursive: true, mode: 0o700 })
  const instances = new Map<string, Instance>()
  const maxLifeMs = options.maxLifeMs ?? 3_600_000
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) answerJson(response, 500, { code: 500, message: String(error) })
      else response.destroy()
    })
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  const fake: FakeE2b = {
    url: '',
    requests: [],
    created: [],
    networks: new Map(),
    trouble: { api: null, vm: null },
    vmIds: () => [...instances.keys()],
    homeOf: (sandboxId) => instances.get(sandboxId.split('/').at(-1) ?? '')?.vm.home ?? '',
    lose: async (vmId) => await remove(vmId),
    async close() {
      await Promise.all([...instances.keys()].map(remove))
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(options.dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }

  async function remove(id: string): Promise<void> {
    const instance = instances.get(id)
    instances.delete(id)
    if (instance?.timer) clearTimeout(instance.timer)
    await instance?.vm.destroy()
  }

  function pause(instance: Instance): void {
    if (instance.timer) clearTimeout(instance.timer)
    instance.timer = null
    instance.state = 'paused'
    instance.vm.pause()
  }

  function live(instance: Instance, timeoutSeconds: number, mayShorten: boolean): void {
    const wanted = Math.min(Date.now() + timeoutSeconds * 1_000, instance.startedAt + maxLifeMs)
    instance.endAt = mayShorten ? wanted : Math.max(wanted, instance.endAt)
    if (instance.timer) clearTimeout(instance.timer)
    instance.timer = setTimeout(
      () => {
        if (instance.autoPause) pause(instance)
        else void remove(instance.id)
      },
      Math.max(0, instance.endAt - Date.now()),
    )
    instance.timer.unref()
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const vmId = request.headers['e2b-sandbox-id']
    const plane = vmId === undefined ? 'api' : 'vm'
    fake.requests.push({ plane, line: `${request.method} ${(request.url ?? '').split('?')[0]}` })
    const trouble = fake.trouble[plane]
    if (trouble === 'cut') return void request.socket.destroy()
    if (trouble !== null) return answerJson(response, trouble, { code: trouble, message: 'asked to fail' })
    if (vmId === undefined) return await answerApi(request, response)
    const instance = instances.get(String(vmId))
    if (instance?.state !== 'running' || !instance.vm.isAlive()) {
      return answerJson(response, 502, { code: 502, message: 'The sandbox was not found' })
    }
    const isOpen = new URL(request.url ?? '/', fake.url).pathname === '/health'
    if (!isOpen && request.headers['x-access-token'] !== instance.token) {
      return answerJson(response, 401, { code: 'unauthenticated', message: 'unauthorized access' })
    }
    await answerEnvd(instance.vm, request, response)
  }

  async function answerApi(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers['x-api-key'] !== options.apiKey) {
      return answerJson(response, 401, { code: 401, message: 'Invalid API key' })
    }
    const url = new URL(request.url ?? '/', fake.url)
    const [, id = '', verb = ''] = /^(?:\/v2)?\/sandboxes(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(url.pathname) ?? []
    const body = request.method === 'POST' || request.method === 'PUT' ? await bodyOf(request) : {}
    if (id === '' && request.method === 'POST') return create(body, response)
    if (id === '' && request.method === 'GET') return list(url, response)
    const instance = instances.get(id)
    if (instance === undefined) return answerJson(response, 404, { code: 404, message: `Sandbox ${id} not found` })
    switch (`${request.method} ${verb}`) {
      case 'GET ':
        return answerJson(response, 200, detail(instance))
      case 'DELETE ':
        await remove(id)
        response.writeHead(204).end()
        return
      case 'POST connect': {
        const wasPaused = instance.state === 'paused'
        if (wasPaused) {
          instance.startedAt = Date.now()
          instance.endAt = 0
          instance.state = 'running'
          instance.vm.resume()
        }
        live(instance, body.timeout ?? 15, false)
        return answerJson(response, wasPaused ? 201 : 200, access(instance))
      }
      case 'POST timeout':
        if (instance.state === 'paused') return answerJson(response, 404, { code: 404, message: 'Sandbox is paused' })
        live(instance, body.timeout ?? 15, true)
        response.writeHead(204).end()
        return
      case 'PUT network':
        fake.networks.set(id, { allowOut: body.allowOut ?? [], denyOut: body.denyOut ?? [] })
        response.writeHead(204).end()
        return
      case 'POST pause':
        if (instance.state === 'paused') return answerJson(response, 409, { code: 409, message: 'Sandbox is paused' })
        pause(instance)
        response.writeHead(204).end()
        return
      default:
        answerJson(response, 404, { code: 404, message: `the fake has no ${url.pathname}` })
    }
  }

  function create(body: ApiBody, response: ServerResponse): void {
    const id = `i${randomBytes(10).toString('hex')}`
    const instance: Instance = {
      id,
      vm: startVm(path.join(options.dir, id), options.bwrapPath, options.nodePath),
      token: randomBytes(16).toString('hex'),
      templateId: body.templateID ?? 'base',
      metadata: body.metadata ?? {},
      autoPause: body.autoPause === true,
      startedAt: Date.now(),
      endAt: 0,
      state: 'running',
      timer: null,
    }
    instances.set(id, instance)
    live(instance, body.timeout ?? 15, true)
    const { timeout, autoPause } = body
    fake.created.push({
      metadata: instance.metadata,
      ...(timeout !== undefined && { timeout }),
      ...(autoPause !== undefined && { autoPause }),
    })
    answerJson(response, 201, access(instance))
  }

  function list(url: URL, response: ServerResponse): void {
    const wanted = new URLSearchParams(url.searchParams.get('metadata') ?? '')
    const states = (url.searchParams.get('state') ?? 'running,paused').split(',')
    const matching = [...instances.values()].filter(
      (each) =>
        states.includes(each.state) &&
        [...wanted].every(([key, value]) => each.metadata[decodeURIComponent(key)] === decodeURIComponent(value)),
    )
    const from = Number(url.searchParams.get('nextToken') ?? 0)
    const limit = Math.min(Number(url.searchParams.get('limit') ?? PAGE), PAGE)
    const next = from + limit < matching.length ? { 'x-next-token': String(from + limit) } : {}
    answerJson(response, 200, matching.slice(from, from + limit).map(detail), next as Record<string, string>)
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  return Object.assign(fake, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

interface ApiBody {
  readonly templateID?: string
  readonly metadata?: Record<string, string>
  readonly timeout?: number
  readonly autoPause?: boolean
  readonly allowOut?: string[]
  readonly denyOut?: string[]
}

async function bodyOf(request: IncomingMessage): Promise<ApiBody> {
  const text = (await readRequest(request)).toString('utf8')
  return text === '' ? {} : (JSON.parse(text) as ApiBody)
}

const access = (instance: Instance) => ({
  sandboxID: instance.id,
  templateID: instance.templateId,
  clientID: 'fake',
  envdVersion: ENVD_VERSION,
  envdAccessToken: instance.token,
})

const detail = (instance: Instance) => ({
  sandboxID: instance.id,
  templateID: instance.templateId,
  clientID: 'fake',
  envdVersion: ENVD_VERSION,
  metadata: instance.metadata,
  startedAt: new Date(instance.startedAt).toISOString(),
  endAt: new Date(instance.endAt).toISOString(),
  state: instance.state,
  cpuCount: 2,
  memoryMB: 512,
  diskSizeMB: 10_240,
})
