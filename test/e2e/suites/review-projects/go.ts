import { APPROVES, finds, type ReviewProject, writes } from './project.ts'

/** Where Go is installed its own checks take long: they are switched off and the formatter alone is asked. */
const FORMAT_ONLY = {
  checks: [
    { name: 'test', command: 'true', enabled: false },
    { name: 'lint', command: 'true', enabled: false },
    { name: 'format', command: 'if command -v gofmt >/dev/null; then test -z "$(gofmt -l .)"; fi', enabled: true },
  ],
}
const MODULE = { 'go.mod': 'module tiny\n\ngo 1.22\n' }

export const GO: readonly ReviewProject[] = [
  {
    name: 'go-nil-map',
    trap: 'a write into a map that was never made',
    files: { ...MODULE, 'count.go': 'package tiny\n' },
    settings: FORMAT_ONLY,
    turns: [
      ...writes({
        'count.go':
          'package tiny\n\nfunc Count(words []string) map[string]int {\n\tvar m map[string]int\n\tfor _, w := range words {\n\t\tm[w]++\n\t}\n\treturn m\n}\n',
      }),
      ...writes({
        'count.go':
          'package tiny\n\nfunc Count(words []string) map[string]int {\n\tm := map[string]int{}\n\tfor _, w := range words {\n\t\tm[w]++\n\t}\n\treturn m\n}\n',
      }),
    ],
    reviews: [
      finds({
        ...{ criterionId: 'correctness', file: 'count.go', line: 4, claim: 'The map is nil' },
        evidence: 'Count([]string{"a"}) panics: assignment to entry in nil map',
      }),
      APPROVES,
    ],
    ends: {
      outcome: 'approved',
      rounds: ['issues_found', 'approved'],
      checks: { format: 'passed' },
      delivered: { 'count.go': 'map[string]int{}' },
    },
  },
  {
    name: 'go-no-verdict',
    trap: 'the reviewer writes prose and hands in nothing',
    files: { ...MODULE, 'id.go': 'package tiny\n' },
    settings: FORMAT_ONLY,
    turns: writes({ 'id.go': 'package tiny\n\nfunc ID(n int) int { return n }\n' }),
    reviews: [{ text: 'NOT APPROVED. Or APPROVED? It depends.' }],
    ends: { outcome: 'inconclusive', rounds: ['inconclusive'] },
  },
]
