import { APPROVES, finds, packageJson, type ReviewProject, UNASKED, writes } from './project.ts'

const CHECKED = { 'package.json': packageJson({ test: 'sh test.sh' }) }

export const SHELL: readonly ReviewProject[] = [
  {
    name: 'sh-no-evidence',
    trap: 'a blocking finding without evidence',
    files: { ...CHECKED, 'test.sh': 'exit 0\n', 'run.sh': 'echo\n' },
    turns: writes({ 'run.sh': 'echo "$1"\n' }),
    reviews: [finds({ criterionId: 'security', file: 'run.sh', line: 1, claim: 'This feels unsafe', evidence: 'n/a' })],
    ends: {
      outcome: 'approved_with_notes',
      rounds: ['approved_with_notes'],
      checks: { test: 'passed' },
      findings: [['security', 'note', 'open']],
    },
  },
  {
    name: 'sh-new-project',
    trap: 'a new project whose first tests fail: they did not fail before',
    files: { 'README.md': '# Nothing yet\n' },
    turns: [
      ...writes({ ...CHECKED, 'test.sh': 'test "$(sh run.sh)" = hello\n', 'run.sh': 'echo hullo\n' }),
      ...writes({ 'run.sh': 'echo hello\n' }),
    ],
    reviews: [UNASKED, APPROVES],
    ends: {
      outcome: 'approved',
      rounds: ['checks_failed', 'approved'],
      checks: { test: 'passed' },
      delivered: { 'run.sh': 'echo hello' },
    },
  },
  {
    name: 'sh-litter',
    trap: 'a check that leaves files and changes some',
    files: { ...CHECKED, 'test.sh': 'date > litter; sed -i 1d run.sh\n', 'run.sh': 'echo 1\n' },
    turns: writes({ 'run.sh': 'echo 2\n' }),
    reviews: [APPROVES],
    ends: {
      outcome: 'approved',
      rounds: ['approved'],
      delivered: { 'run.sh': 'echo 2', litter: null },
    },
  },
  {
    name: 'sh-no-fix-rounds',
    trap: 'no fix round is allowed',
    files: { ...CHECKED, 'test.sh': 'exit 0\n' },
    settings: { maxFixRounds: 0 },
    turns: writes({ 'run.sh': 'rm -rf $1\n' }),
    reviews: [
      finds({
        ...{ criterionId: 'security', file: 'run.sh', line: 1, claim: 'The argument is not quoted' },
        evidence: 'sh run.sh "a b" removes a and b',
      }),
    ],
    ends: {
      outcome: 'issues_remaining',
      rounds: ['issues_found'],
      findings: [['security', 'blocking', 'open']],
    },
  },
  {
    name: 'sh-criterion-off',
    trap: 'a finding under a criterion that is switched off',
    files: { ...CHECKED, 'test.sh': 'exit 0\n' },
    settings: {
      criteria: [{ id: 'security', text: 'The change opens no hole.', severity: 'blocking', enabled: false }],
    },
    turns: writes({ 'run.sh': 'eval "$1"\n' }),
    reviews: [
      finds({
        ...{ criterionId: 'security', file: 'run.sh', line: 1, claim: 'eval of an argument' },
        evidence: 'sh run.sh "rm x" removes x',
      }),
    ],
    ends: {
      outcome: 'approved_with_notes',
      rounds: ['approved_with_notes'],
      findings: [['security', 'note', 'open']],
    },
  },
  {
    name: 'sh-review-off',
    trap: 'the review is switched off',
    files: { ...CHECKED, 'test.sh': 'exit 1\n' },
    settings: { enabled: false },
    turns: writes({ 'run.sh': 'echo 1\n' }),
    reviews: [APPROVES],
    ends: { outcome: 'unreviewed', rounds: [] },
  },
  {
    name: 'sh-nothing-changed',
    trap: 'the coder changes nothing',
    files: { ...CHECKED, 'test.sh': 'exit 1\n' },
    turns: [{ text: 'There is nothing to do.' }],
    reviews: [APPROVES],
    ends: { outcome: 'no_changes', rounds: [] },
  },
]
