/** The data plane of the fake: what envd 0.6.13 answers to SDK 2.51.0, over the Connect protocol with JSON bodies. */

import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AppError } from '../../../shared/errors.ts'
import { openPath, relativePath } from '../../local-bwrap/confined.ts'
import { writeFileWhole } from '../../local-bwrap/files.ts'
import { answerJson, readRequest } from './http.ts'
import { VM_HOME, type Vm, type VmProcess } from './vm.ts'

const KEEPALIVE_MS = 20_000

interface StartBody {
  readonly process?: { readonly cmd?: string; readonly args?: string[]; readonly envs?: Record<string, string> }
}

interface SelectBody {
  readonly process?: { readonly pid?: number }
  readonly signal?: string
}

/** Answers one request to a VM that runs. Routes, codes and frames as in envd; what it does not know is 404. */
export async function answerEnvd(vm: Vm, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://envd')
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /health':
      response.writeHead(204).end()
      return
    case 'POST /process.Process/Start':
      return await start(vm, request, response)
    case 'POST /process.Process/Connect':
      return await connect(vm, request, response)
    case 'POST /process.Process/List': {
      const processes = vm.processes().map(({ pid, command }) => ({ pid, config: { cmd: command } }))
      return answerJson(response, 200, { processes })
    }
    case 'POST /process.Process/SendSignal':
      return await sendSignal(vm, request, response)
    case 'POST /files':
      return await writeFile(vm, request, response, url)
    case 'GET /files':
      return await readFile(vm, response, url)
    default:
      answerJson(response, 404, { code: 'unimplemented', message: `the fake envd has no ${url.pathname}` })
  }
}

async function start(vm: Vm, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { process } = framed<StartBody>(await readRequest(request))
  const program = process?.cmd ?? ''
  const timeoutMs = Number(request.headers['connect-timeout-ms'] ?? 0)
  const running = await vm.start([program, ...(process?.args ?? [])], process?.envs ?? {})
  const deadline = timeoutMs > 0 ? setTimeout(() => vm.signal(running.pid, 'KILL'), timeoutMs) : null
  running.listen((event) => {
    if (event.kind === 'end' && deadline) clearTimeout(deadline)
  })
  follow(running, response)
}

async function connect(vm: Vm, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const running = vm.find(framed<SelectBody>(await readRequest(request)).process?.pid ?? 0)
  if (running) return follow(running, response)
  response.writeHead(200, { 'content-type': 'application/connect+json' })
  response.end(frame({ error: { code: 'not_found', message: 'process not found' } }, 2))
}

/** Streams a process until it ends or the reader leaves; leaving ends nothing. */
function follow(running: VmProcess, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/connect+json' })
  response.write(frame({ event: { start: { pid: running.pid } } }))
  const finish = (exitCode: number) => {
    const status = exitCode === -1 ? 'signal: killed' : `exit status ${exitCode}`
    response.write(frame({ event: { end: { exitCode, exited: exitCode !== -1, status } } }))
    response.end(frame({}, 2))
  }
  if (running.exitCode !== null) return finish(running.exitCode)
  const ping = setInterval(() => response.write(frame({ event: { keepalive: {} } })), KEEPALIVE_MS)
  const leave = running.listen((event) => {
    if (event.kind === 'data') {
      response.write(frame({ event: { data: { [event.stream]: event.data.toString('base64') } } }))
      return
    }
    clearInterval(ping)
    finish(event.exitCode)
  })
  response.on('error', () => undefined) // the reader left; `close` follows
  response.on('close', () => {
    clearInterval(ping)
    leave()
  })
}

async function sendSignal(vm: Vm, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = JSON.parse((await readRequest(request)).toString('utf8')) as SelectBody
  const pid = body.process?.pid ?? 0
  const running = vm.find(pid)
  if (running === null || running.exitCode !== null) {
    return answerJson(response, 404, { code: 'not_found', message: `process with pid ${pid} not found` })
  }
  vm.signal(pid, body.signal === 'SIGNAL_SIGTERM' ? 'TERM' : 'KILL')
  answerJson(response, 200, {})
}

async function writeFile(vm: Vm, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const file = url.searchParams.get('path') ?? ''
  try {
    await writeFileWhole({ workspace: vm.home, staging: vm.staging }, inHome(file), await readRequest(request))
    answerJson(response, 200, [{ name: path.posix.basename(file), type: 'file', path: file }])
  } catch (error) {
    answerJson(response, 400, { code: 400, message: error instanceof Error ? error.message : 'cannot be written' })
  }
}

async function readFile(vm: Vm, response: ServerResponse, url: URL): Promise<void> {
  const file = url.searchParams.get('path') ?? ''
  try {
    const found = openPath(vm.home, inHome(file))
    if (found === null) return answerJson(response, 404, { code: 404, message: `path '${file}' does not exist` })
    try {
      if (!found.stat.isFile()) throw new AppError('sandbox_bad_request', `path '${file}' is not a file`)
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      await pipeline(createReadStream(found.handle), response)
    } finally {
      found.close()
    }
  } catch (error) {
    // Once it is being sent, its reader has left.
    if (response.headersSent) return
    answerJson(response, 400, { code: 400, message: error instanceof Error ? error.message : 'cannot be read' })
  }
}

/** The real one serves the whole VM as root; this one stays below the home directory, which is all that is needed. */
function inHome(file: string): string {
  if (!file.startsWith(`${VM_HOME}/`)) throw new AppError('sandbox_bad_request', `the fake serves ${VM_HOME} alone`)
  return relativePath(file, VM_HOME)
}

function frame(message: unknown, flags = 0): Buffer {
  const body = Buffer.from(JSON.stringify(message))
  const head = Buffer.alloc(5)
  head.writeUInt8(flags, 0)
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}

function framed<T>(body: Buffer): T {
  return JSON.parse(body.subarray(5, 5 + body.readUInt32BE(1)).toString('utf8')) as T
}
