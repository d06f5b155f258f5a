import { APPROVES, finds, type ReviewProject, UNASKED, writes } from './project.ts'

const testOf = (name: string, assertion: string) =>
  `import unittest\nimport ${name}\n\n\nclass Test(unittest.TestCase):\n    def test_${name}(self):\n        self.${assertion}\n`

export const PYTHON: readonly ReviewProject[] = [
  {
    name: 'py-mutable-default',
    trap: 'a default list that all calls share; the tests call once',
    files: {
      'bag.py': 'def put(x, bag): return bag\n',
      'test_bag.py': testOf('bag', 'assertEqual(bag.put(1, [1]), [1])'),
    },
    turns: [
      ...writes({
        'bag.py': 'def put(x, bag=[]):\n    bag.append(x)\n    return bag\n',
        'test_bag.py': testOf('bag', 'assertEqual(bag.put(1), [1])'),
      }),
      ...writes({
        'bag.py': 'def put(x, bag=None):\n    bag = [] if bag is None else bag\n    bag.append(x)\n    return bag\n',
      }),
    ],
    reviews: [
      finds({
        ...{ criterionId: 'correctness', file: 'bag.py', line: 1, claim: 'The default list is shared between calls' },
        evidence: 'put(1) then put(2) returns [1, 2]',
      }),
      APPROVES,
    ],
    ends: {
      outcome: 'approved',
      rounds: ['issues_found', 'approved'],
      checks: { test: 'passed' },
      delivered: { 'bag.py': 'bag=None' },
    },
  },
  {
    name: 'py-never-right',
    trap: 'no fix mends the failing test',
    files: { 'inc.py': 'def inc(n): return n + 1\n', 'test_inc.py': testOf('inc', 'assertEqual(inc.inc(1), 2)') },
    turns: [2, 3, 4, 5].flatMap((n) => writes({ 'inc.py': `def inc(n): return n + ${n}\n` })),
    reviews: [UNASKED],
    ends: {
      outcome: 'issues_remaining',
      rounds: ['checks_failed', 'checks_failed', 'checks_failed'],
      checks: { test: 'failed' },
      delivered: { 'inc.py': 'n + 4' },
    },
  },
  {
    name: 'py-outside-the-diff',
    trap: 'the reviewer complains of a file that nobody touched',
    files: {
      'old.py': 'import os\n\n\ndef run(c): return os.system(c)\n',
      'new.py': '',
      'test_new.py': testOf('new', 'assertIsNotNone(new)'),
    },
    turns: writes({ 'new.py': 'def double(n): return n + n\n' }),
    reviews: [
      finds({
        ...{ criterionId: 'security', file: 'old.py', line: 4, claim: 'os.system runs whatever it is given' },
        evidence: 'run("rm -rf /") removes everything',
      }),
    ],
    ends: {
      outcome: 'approved_with_notes',
      rounds: ['approved_with_notes'],
      findings: [['security', 'note', 'open']],
      delivered: { 'old.py': 'os.system' },
    },
  },
  {
    name: 'py-fix-out-of-scope',
    trap: 'round 2 complains of lines that the fix did not touch',
    files: { 'two.py': '', 'test_two.py': testOf('two', 'assertIsNotNone(two)') },
    turns: [
      ...writes({
        'two.py': 'def a(n): return n\n\n\n# between\n# the\n# two\n# lines\n\n\ndef b(n): return n / 0\n',
      }),
      ...writes({
        'two.py': 'def a(n): return n\n\n\n# between\n# the\n# two\n# lines\n\n\ndef b(n): return n / 1\n',
      }),
    ],
    reviews: [
      finds({
        ...{ criterionId: 'correctness', file: 'two.py', line: 10, claim: 'b divides by zero' },
        evidence: 'b(1) raises ZeroDivisionError',
      }),
      {
        verdict: 'APPROVED',
        findings: [
          {
            ...{ severity: 'important', criterionId: 'correctness', file: 'two.py', line: 1 },
            ...{ claim: 'a does nothing', evidence: 'a(1) returns 1 unchanged' },
          },
        ],
      },
    ],
    ends: {
      outcome: 'approved_with_notes',
      rounds: ['issues_found', 'approved_with_notes'],
      findings: [
        ['correctness', 'blocking', 'fixed'],
        ['correctness', 'note', 'open'],
      ],
    },
  },
]
