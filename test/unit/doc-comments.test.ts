import { readdir, readFile } from 'node:fs/promises'
import ts from 'typescript'
import { expect, test } from 'vitest'

const SOURCES = new URL('../../src/', import.meta.url)

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false
}

/** The names that a statement declares: one, but for constants that stand in one statement. */
function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  }
  const isNamed =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement)
  return isNamed && statement.name !== undefined ? [statement.name.text] : []
}

/** What a file exports, and which of it has no doc comment; of a function's overloads one comment is enough. */
function readExports(file: string, text: string): { readonly all: Set<string>; readonly bare: string[] } {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const [all, told] = [new Set<string>(), new Set<string>()]
  for (const statement of source.statements.filter(isExported)) {
    for (const name of namesOf(statement)) {
      all.add(name)
      if (ts.getJSDocCommentsAndTags(statement).length > 0) told.add(name)
    }
  }
  return { all, bare: [...all].filter((name) => !told.has(name)).map((name) => `${file} ${name}`) }
}

test('every exported function, class, interface, type and constant says what it is', async () => {
  const files = (await readdir(SOURCES, { recursive: true })).filter(
    (file) => /\.tsx?$/.test(file) && !file.startsWith('db/generated/'),
  )
  const found = await Promise.all(
    files.map(async (file) => readExports(file, await readFile(new URL(file, SOURCES), 'utf8'))),
  )
  expect(found.flatMap(({ bare }) => bare)).toEqual([])
  expect(found.reduce((sum, { all }) => sum + all.size, 0)).toBeGreaterThan(1_500)
})
