import type { IncomingMessage, ServerResponse } from 'node:http'

const MAX_BODY_BYTES = 512 * 1024 * 1024

/** The whole body; a reader that goes on beyond the limit is cut off. */
export async function readRequest(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > MAX_BODY_BYTES) throw new Error('the body is too large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Ends a request with a JSON body. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}
