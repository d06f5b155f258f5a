import { createServer } from 'node:http'

const port = Number(process.argv[process.argv.indexOf('--port') + 1])
createServer((_request, response) => response.end('{}')).listen(port, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}` })}\n`)
})
process.once('SIGTERM', () => process.exit(0))
