import { expect, test } from 'vitest'
import { credentialsFor } from '../../../src/egress/decision.ts'
import { combine } from '../../../src/egress/registries/discover.ts'
import { npmrcAuth, npmrcRegistries } from '../../../src/egress/registries/npmrc.ts'

const NPMRC = `; the company's
registry = https://packages.example.com/npm/
@team:registry=https://team.example.com:8443/
# //commented.example.com/:_authToken=no
//packages.example.com/npm/:_authToken="\${NPM_TOKEN}"
//team.example.com:8443/:username=ann
//team.example.com:8443/:_password=${Buffer.from('pa:ss').toString('base64')}
//other.example.com/:_auth=YWJj
`

test('an npmrc names its registries, and its credentials as they are sent', () => {
  expect(npmrcRegistries(NPMRC)).toEqual(['https://packages.example.com/npm/', 'https://team.example.com:8443/'])
  expect(npmrcAuth(NPMRC, { NPM_TOKEN: 'secret' })).toEqual([
    { place: 'packages.example.com/npm/', authorization: 'Bearer secret' },
    { place: 'team.example.com:8443/', authorization: `Basic ${Buffer.from('ann:pa:ss').toString('base64')}` },
    { place: 'other.example.com/', authorization: 'Basic YWJj' },
  ])
})

test('the tools’ answers become registries, once each, with the credentials of their own place', () => {
  const answers = [
    {
      tool: 'npm',
      answer: { urls: npmrcRegistries(NPMRC), auth: npmrcAuth(NPMRC, { NPM_TOKEN: 'secret' }), env: { A: '1' } },
    },
    {
      tool: 'yarn',
      answer: { urls: ['https://packages.example.com/npm/', 'not a url', 'https://10.0.0.1/', 'file:///opt/wheels'] },
    },
    { tool: 'pip', answer: { urls: ['https://ann:pw@index.example.com/simple'], env: { B: '2' } } },
  ]
  const known = combine(answers)
  expect(known).toEqual({
    registries: [
      {
        host: 'packages.example.com',
        port: 443,
        scheme: 'https',
        credentials: [{ pathPrefix: '/npm/', authorization: 'Bearer secret' }],
      },
      {
        host: 'team.example.com',
        port: 8443,
        scheme: 'https',
        credentials: [{ pathPrefix: '/', authorization: `Basic ${Buffer.from('ann:pa:ss').toString('base64')}` }],
      },
      {
        host: 'index.example.com',
        port: 443,
        scheme: 'https',
        credentials: [{ pathPrefix: '/simple', authorization: `Basic ${Buffer.from('ann:pw').toString('base64')}` }],
      },
    ],
    env: { A: '1', B: '2' },
    tools: [
      { tool: 'npm', hosts: ['packages.example.com', 'team.example.com'] },
      { tool: 'yarn', hosts: ['packages.example.com'] },
      { tool: 'pip', hosts: ['index.example.com'] },
    ],
  })
  const target = { host: 'packages.example.com', port: 443 }
  expect([
    credentialsFor(known.registries, target, '/npm/left-pad'),
    credentialsFor(known.registries, target, '/elsewhere'),
    credentialsFor(known.registries, { ...target, port: 8443 }, '/npm/left-pad'),
  ]).toEqual(['Bearer secret', undefined, undefined])
})
