/**
 * The built-in sample project: a library of two modules, tested by `node --test` with nothing to install. One test
 * fails because of a real bug. The mend that makes it pass is easy to get half right: the README promises that no two
 * shares differ by more than a cent, and no test covers a remainder of more than one.
 */

const PACKAGE_JSON = `{
  "name": "tabsplit",
  "version": "1.0.0",
  "description": "Split a bill to the cent",
  "type": "module",
  "exports": "./src/index.js",
  "scripts": {
    "test": "node --test"
  },
  "engines": {
    "node": ">=20"
  },
  "license": "MIT"
}
`

const README = `# tabsplit

Splits a bill among people, to the cent. No dependencies.

\`\`\`js
import { formatCents, splitBill } from 'tabsplit'

splitBill(90, 3) // [30, 30, 30]
formatCents(1999) // '19.99'
\`\`\`

Rules:

- Money is a whole number of cents.
- The shares always add up to the bill.
- No two shares differ by more than one cent; the first people pay the extra cents.

Run the tests with \`npm test\`.
`

const AGENTS = `# Working on tabsplit

- Plain JavaScript modules, no dependencies; nothing to install.
- Run \`npm test\` before you say that something works.
- Functions are pure. Money is a whole number of cents, never a fraction.
- Every rule of the README has a test.
`

const INDEX = `export { formatCents, parseCents } from './money.js'
export { splitBill } from './split-bill.js'
`

const MONEY = `/** '19.99' for 1999; a minus sign stands before the digits. */
export function formatCents(cents) {
  const sign = cents < 0 ? '-' : ''
  const digits = String(Math.abs(cents)).padStart(3, '0')
  return \`\${sign}\${digits.slice(0, -2)}.\${digits.slice(-2)}\`
}

/** 1999 for '19.99' or '19.9' or '19'; throws for anything else. */
export function parseCents(text) {
  const match = /^(-?)(\\d+)(?:\\.(\\d{1,2}))?$/.exec(text.trim())
  if (!match) throw new TypeError(\`not an amount: \${text}\`)
  const [, sign, whole, fraction = ''] = match
  const cents = Number(whole) * 100 + Number(fraction.padEnd(2, '0'))
  return sign === '-' ? -cents : cents
}
`

const SPLIT_BILL = `/**
 * Splits a bill of whole cents among people.
 * @param {number} totalCents
 * @param {number} people at least 1
 * @returns {number[]} one share per person
 */
export function splitBill(totalCents, people) {
  const share = Math.round(totalCents / people)
  return Array.from({ length: people }, () => share)
}
`

const MONEY_TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatCents, parseCents } from '../src/index.js'

test('formats cents', () => {
  assert.equal(formatCents(1999), '19.99')
  assert.equal(formatCents(5), '0.05')
  assert.equal(formatCents(-250), '-2.50')
})

test('parses what it formats', () => {
  for (const cents of [0, 5, 99, 100, 1999, -250]) {
    assert.equal(parseCents(formatCents(cents)), cents)
  }
})

test('refuses what is not an amount', () => {
  assert.throws(() => parseCents('1,50'), TypeError)
})
`

const SPLIT_BILL_TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitBill } from '../src/index.js'

test('splits an even bill', () => {
  assert.deepEqual(splitBill(90, 3), [30, 30, 30])
})

test('gives the whole bill to one person', () => {
  assert.deepEqual(splitBill(1999, 1), [1999])
})

test('loses no cent when the bill does not divide', () => {
  assert.deepEqual(splitBill(100, 3), [34, 33, 33])
})
`

/** The files of a new sample project by path; a fresh object at every call. Text, UTF-8, about 3 KB in all. */
export function sampleProjectFiles(): Record<string, string> {
  return {
    'AGENTS.md': AGENTS,
    'README.md': README,
    'package.json': PACKAGE_JSON,
    'src/index.js': INDEX,
    'src/money.js': MONEY,
    'src/split-bill.js': SPLIT_BILL,
    'test/money.test.js': MONEY_TEST,
    'test/split-bill.test.js': SPLIT_BILL_TEST,
  }
}
