import { connect } from 'node:http2'

/**
 * One unary gRPC call without a library, for ready checks: Temporal's own client is too slow to load for them.
 *
 * @param {string} address host:port, without TLS
 * @param {string} path such as `/package.Service/Method`
 * @param {Buffer} message the request, encoded, at most 16 KiB
 * @param {number} timeoutMs
 * @returns {Promise<string>} the gRPC status, "0" for success; "unreachable" when there was none
 */
function grpcCall(address, path, message, timeoutMs) {
  return new Promise((resolve) => {
    const session = connect(`http://${address}`)
    const timer = setTimeout(() => end('unreachable'), timeoutMs)
    /** @param {string} status */
    const end = (status) => {
      clearTimeout(timer)
      session.destroy()
      resolve(status)
    }
    session.once('error', () => end('unreachable'))
    const request = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    let status = 'unreachable'
    /** @param {import('node:http2').IncomingHttpHeaders} headers */
    const note = (headers) => {
      const value = headers['grpc-status']
      if (typeof value === 'string') status = value
    }
    request.once('error', () => end('unreachable'))
    request.on('response', note)
    request.on('trailers', note)
    request.on('data', () => undefined)
    request.once('end', () => setImmediate(() => end(status)))
    const head = Buffer.alloc(5)
    head.writeUInt32BE(message.length, 1)
    request.end(Buffer.concat([head, message]))
  })
}

/**
 * Whether a Temporal server there serves a namespace.
 *
 * @param {string} address
 * @param {string} namespace at most 127 bytes
 * @returns {Promise<boolean>}
 */
export async function servesNamespace(address, namespace) {
  const name = Buffer.from(namespace, 'utf8')
  const request = Buffer.concat([Buffer.from([0x0a, name.length]), name])
  const path = '/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace'
  return (await grpcCall(address, path, request, 2_000)) === '0'
}
