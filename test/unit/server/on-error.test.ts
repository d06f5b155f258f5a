import { Hono } from 'hono'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { refusedSource } from '../../../src/sandbox/sources/refused-source.ts'
import { createOnError } from '../../../src/server/on-error.ts'
import { AppError } from '../../../src/shared/errors.ts'

test('a source that somebody has to change is the caller’s mistake, and one that cannot be had is not', async () => {
  const refused = refusedSource('The folder is deeper than 100 directories, leave it out: d/d')
  const app = new Hono()
    .onError(createOnError(pino({ level: 'silent' })))
    .get('/refused', () => Promise.reject(refused))
    .get('/away', () => Promise.reject(new AppError('project_source_failed', 'The host does not answer.')))
  const answers = await Promise.all(['/refused', '/away'].map(async (path) => await app.request(path)))
  const told = await Promise.all(answers.map(async (answer) => ({ status: answer.status, body: await answer.json() })))
  expect(told).toEqual([
    {
      status: 400,
      body: {
        error: { code: 'bad_request', message: refused.message, details: { source: refused.message } },
        requestId: 'none',
      },
    },
    {
      status: 502,
      body: { error: { code: 'project_source_failed', message: 'The host does not answer.' }, requestId: 'none' },
    },
  ])
})
