import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { credentialsFor } from '../../../src/egress/decision.ts'
import {
  areFresh,
  combine,
  keepUnsure,
  NO_REGISTRIES,
  removeAbandoned,
} from '../../../src/egress/registries/discover.ts'
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
    unsure: [],
  })
  const target = { host: 'packages.example.com', port: 443 }
  expect([
    credentialsFor(known.registries, target, '/npm/left-pad'),
    credentialsFor(known.registries, target, '/elsewhere'),
    credentialsFor(known.registries, { ...target, port: 8443 }, '/npm/left-pad'),
  ]).toEqual(['Bearer secret', undefined, undefined])
})

test('a tool that could not be asked keeps what it named before, and the answers count as incomplete', () => {
  const answer = (...urls: string[]) => ({ urls })
  const before = {
    ...NO_REGISTRIES,
    ...combine([
      { tool: 'npm', answer: answer('https://old.example.com/') },
      { tool: 'pip', answer: answer('https://index.example.com/', 'https://files.example.com/') },
      { tool: 'gem', answer: answer('https://gems.example.com/') },
    ]),
    at: 1_000,
  }
  const found = keepUnsure(
    combine([
      { tool: 'npm', answer: answer('https://new.example.com/') },
      { tool: 'pip', answer: { urls: ['https://index.example.com/'], isPartial: true } },
    ]),
    before,
  )
  const now = { ...NO_REGISTRIES, ...found, at: 2_000 }
  expect({
    hosts: found.registries.map(({ host }) => host),
    tools: found.tools,
    unsure: found.unsure,
    fresh: [areFresh(before, [], 3_000), areFresh(now, [], 3_000)],
    later: areFresh(before, [], 1_000 + 86_400_000),
    otherWord: areFresh(before, ['https://mine.example.com/'], 3_000),
    clockWentBack: areFresh(before, [], 500),
  }).toEqual({
    hosts: ['new.example.com', 'index.example.com', 'files.example.com'],
    tools: [
      { tool: 'npm', hosts: ['new.example.com'] },
      { tool: 'pip', hosts: ['index.example.com', 'files.example.com'] },
    ],
    unsure: ['pip'],
    fresh: [true, false],
    later: false,
    otherWord: false,
    clockWentBack: false,
  })
})

test('what a killed process left of its questions is removed an hour later, and nothing else', () => {
  const parent = mkdtempSync(path.join(tmpdir(), 'keelson-registries-'))
  try {
    const now = Date.now()
    const makeAged = (name: string, minutes: number) => {
      mkdirSync(path.join(parent, name, 'cargo'), { recursive: true })
      writeFileSync(path.join(parent, name, 'cargo', 'Cargo.toml'), '')
      utimesSync(path.join(parent, name), now / 1000, now / 1000 - minutes * 60)
    }
    makeAged('keelson-tools-old', 61)
    makeAged('keelson-tools-asked', 59)
    makeAged('other-old', 61)
    symlinkSync(path.join(parent, 'other-old'), path.join(parent, 'keelson-tools-link'))
    removeAbandoned(parent, now)
    expect(readdirSync(parent).sort()).toEqual(['keelson-tools-asked', 'keelson-tools-link', 'other-old'])
    expect(readdirSync(path.join(parent, 'other-old'))).toEqual(['cargo'])
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
})
