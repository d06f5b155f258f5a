import type { Context } from 'hono'
import { AppError } from '../shared/errors.ts'

/** The largest JSON body that a route takes. */
export const MAX_BODY_BYTES = 1024 * 1024

/**
 * The request's JSON value, or `undefined` when it has no body. Throws `unsupported_media_type`, `body_too_large`,
 * `invalid_json` (also for bytes that are not UTF-8).
 */
export async function readJson(c: Context): Promise<unknown> {
  const bytes = await readBytes(c)
  if (bytes.byteLength === 0) return undefined
  requireJson(c.req.header('content-type'))
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new AppError('invalid_json', 'The body is not valid UTF-8.', { cause: error, details: { body: 'not UTF-8' } })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new AppError('invalid_json', 'The body is not valid JSON.', { cause: error, details: { body: 'not JSON' } })
  }
}

function requireJson(contentType: string | undefined): void {
  const [type, ...parameters] = (contentType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim())
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice(8)
    .replaceAll('"', '')
  if (type === 'application/json' && (charset === undefined || charset === 'utf-8' || charset === 'utf8')) return
  throw new AppError('unsupported_media_type', 'Send the body as application/json in UTF-8.')
}

async function readBytes(c: Context): Promise<Uint8Array> {
  const announced = Number(c.req.header('content-length') ?? Number.NaN)
  if (announced > MAX_BODY_BYTES) throw tooLarge()
  if (announced === 0) return new Uint8Array()
  if (announced > 0) return new Uint8Array(await readWhole(c))
  return await readUpToLimit(c.req.raw.body)
}

async function readWhole(c: Context): Promise<ArrayBuffer> {
  try {
    return await c.req.arrayBuffer()
  } catch (error) {
    throw new AppError('bad_request', 'The body could not be read.', { cause: error })
  }
}

/** A chunked body says its length only by ending. */
async function readUpToLimit(body: ReadableStream<Uint8Array> | null): Promise<Uint8Array> {
  if (body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > MAX_BODY_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(): AppError {
  return new AppError('body_too_large', 'The body is larger than 1 MiB.', { details: { maxBytes: MAX_BODY_BYTES } })
}
