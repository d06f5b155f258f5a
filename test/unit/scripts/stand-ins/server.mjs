import { createServer } from 'node:http'

/** Answers its environment on /env, so that a test sees what the supervisor handed on. */
createServer((request, response) => {
  response.end(request.url === '/env' ? JSON.stringify(process.env) : '{"ready":true}')
}).listen(Number(process.env['PORT']), process.env['HOST'], () => {
  process.stdout.write(`${JSON.stringify({ level: 30, msg: 'server ready' })}\n`)
})
process.once('SIGTERM', () => process.exit(0))
