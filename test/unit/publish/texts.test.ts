import { expect, test } from 'vitest'
import { changeTitle } from '../../../src/publish/change-text.ts'
import { guardedBody, writePatchMail } from '../../../src/publish/mail-patch.ts'
import { pullRequestText, withOurPart } from '../../../src/publish/pull-request-text.ts'
import { workflowFiles } from '../../../src/publish/workflow-files.ts'

test('a title is one line of at most 72 characters, whatever the message was', () => {
  const texts = ['\n\r  Fix\tit  \nnow', '', '\u0000\u001b', `${'word '.repeat(30)}`, '\u202eevil', 'x'.repeat(100)]
  expect(texts.map(changeTitle)).toEqual([
    'Fix it',
    'Change by Keelson',
    'Change by Keelson',
    `${'word '.repeat(14).trim()}…`,
    'evil',
    `${'x'.repeat(71)}…`,
  ])
})

test('a message cannot end itself in a mailbox', () => {
  const lines = ['---', '--- a/x', 'diff --git a b', 'Index: x', 'From me', '>From me', '-- >8 --', '--', 'fine']
  expect(guardedBody(lines.join('\n')).split('\n')).toEqual([
    ...lines.slice(0, -1).map((line) => ` ${line}`),
    'fine',
    '',
  ])
})

test('a subject beyond ASCII is written in encoded words, each below 75 characters', () => {
  const date = new Date('2026-01-02T03:04:05Z')
  const mail = writePatchMail({
    title: 'Größe '.repeat(20).trim(),
    body: '',
    author: { name: 'Ada Ü', email: 'a@b' },
    date,
    stat: Buffer.alloc(0),
    patch: Buffer.from('diff\n'),
  }).toString()
  const words = [...mail.matchAll(/=\?UTF-8\?B\?([^?]*)\?=/g)]
  expect({
    date: /^Date: (.*)$/m.exec(mail)?.[1],
    longest: Math.max(...words.map(([word]) => word.length)) <= 75,
    subject: words
      .slice(1)
      .map(([, text]) => Buffer.from(text ?? '', 'base64').toString())
      .join(''),
  }).toEqual({
    date: 'Fri, 2 Jan 2026 03:04:05 +0000',
    longest: true,
    subject: `[PATCH] ${'Größe '.repeat(20).trim()}`,
  })
})

const story = {
  task: {
    id: 'tsk_1',
    outcome: 'approved' as const,
    status: 'completed' as const,
    evidence: 'partly' as const,
    evidenceGaps: [{ name: 'lint', reason: 'no | linter' }],
    costUsd: 0.5,
    diffStat: { files: 1, added: 2, removed: 3 },
    model: 'm',
  },
  record: {
    taskId: 'tsk_1',
    status: 'completed' as const,
    outcome: 'approved' as const,
    reason: null,
    review: 'approved' as const,
    stat: { files: 1, added: 2, removed: 3 },
    requests: [{ text: 'Do it @team', turn: 1, isRefused: false }],
    lastWords: 'Done <!-- keelson:end --> @everyone',
    files: [],
    checks: [{ name: 'npm test', status: 'passed' as const }],
    findings: [{ id: 'f', severity: 'note' as const, file: 'a.ts', line: 3, claim: 'a\nclaim', evidence: 'e' }],
  },
  publicationId: 'pub_1',
}

test('a pull request says what was asked, found and paid, calls nobody, and cannot end its own part', () => {
  const text = pullRequestText(story)
  expect({
    lines: [
      '**approved**',
      '**partly verified**',
      'lint: no \\| linter',
      '| npm test | passed |',
      '- **note** a.ts:3: a claim',
      '$0.5000',
    ].filter((line) => !text.includes(line)),
    mentions: /@[a-z]/.test(text),
    ends: text.match(/<!-- keelson:end -->/g)?.length,
    most: pullRequestText({ ...story, record: { ...story.record, lastWords: 'x'.repeat(100_000) } }).length < 65_536,
  }).toEqual({ lines: [], mentions: false, ends: 1, most: true })
})

test('what a person wrote around our part stays', () => {
  const ours = pullRequestText(story)
  const newer = pullRequestText({ ...story, publicationId: 'pub_2' })
  expect([withOurPart(`a\n${ours}\nb`, newer), withOurPart('only theirs', newer), withOurPart('', newer)]).toEqual([
    `a\n${newer}\nb`,
    `only theirs\n\n${newer}`,
    newer,
  ])
})

test('files that make a host run something are known by their place', () => {
  const paths = [
    '.github/workflows/a.yml',
    '.GitHub/workflows/a.yml',
    '.gitlab-ci.yml',
    'Jenkinsfile',
    '.circleci/config.yml',
    '.forgejo/workflows/x',
  ]
  expect(workflowFiles([...paths, 'docs/.gitlab-ci.yml.md', '.github/CODEOWNERS', 'src/Jenkinsfile.ts'])).toEqual(paths)
})
