/** Sources of a sandbox that is elsewhere: copied in small batches, cloned in a local sandbox first. */

import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCredentials } from '../../../src/credentials/credentials.ts'
import { createProject, getProject, type ProjectSource } from '../../../src/db/project/projects.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { createFiller } from '../../../src/sources/fill-project.ts'
import { run } from '../../contract/sandbox/harness.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aGitHost, type GitHostFixture } from '../../support/git-host.ts'
import { aFakeE2b, fakeUnavailable } from '../sandbox/fake-e2b.ts'

const reason = fakeUnavailable()

describe.skipIf(reason !== null)(`sources on E2B${reason ? ` (${reason})` : ''}`, () => {
  let db: TestDb
  let dir: string
  let git: GitHostFixture
  let e2b: Awaited<ReturnType<typeof aFakeE2b>>
  beforeAll(async () => {
    db = await aDb()
    dir = realpathSync(mkdtempSync(join(tmpdir(), 'keelson-e2b-sources-')))
    git = await aGitHost()
    git.repository(
      'plain',
      'echo x > a.txt; ln -s a.txt link; echo r > run; chmod +x run; git add -A; git commit -qm first',
    )
    e2b = await aFakeE2b()
  })
  afterAll(async () => {
    await e2b?.close()
    await git?.close()
    await db?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  const logger = { info: () => undefined, warn: () => undefined }
  const control = { check: () => undefined, onProgress: () => undefined, inTurn: <T>(work: () => Promise<T>) => work() }
  async function filled(source: ProjectSource): Promise<{ sandbox: Sandbox; projectId: string }> {
    const staging = createSandboxProvider({ kind: 'local-bwrap', dir: join(dir, 's'), logger, runnerIdleMs: 5_000 })
    const fill = createFiller({
      db,
      sampleFiles: () => ({}),
      projectRoots: [join(dir, 'roots')],
      git: { origins: [git.origin], extraCaFile: git.caFile },
      credentials: createCredentials({ db, key: () => new Uint8Array(32) }),
      staging,
      openExisting: () => Promise.resolve(null),
    })
    const { id: projectId } = await createProject(db, { name: 'e2b', source, sandboxProvider: 'e2b' })
    const provider = e2b.provider()
    const sandbox = await provider.open(await provider.ensure({ projectId, generation: 1 }))
    await fill(projectId, sandbox, control)
    await staging.close()
    return { sandbox, projectId }
  }

  test('a folder comes in with links, modes and empty directories, and a name that cannot be is told', async () => {
    const folder = join(dir, 'roots/one')
    mkdirSync(join(folder, "it's/empty"), { recursive: true })
    writeFileSync(join(folder, 'run.sh'), 'x', { mode: 0o755 })
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), 'x')
    symlinkSync('nowhere', join(folder, 'dangling'))
    const { sandbox, projectId } = await filled({ kind: 'path', path: folder })
    const { output } = await run(sandbox, 'find . -mindepth 1 -printf "%y %p %l\\n" | sort; stat -c %a run.sh')
    const { sourceReport } = await getProject(db, projectId)
    expect({ output, notes: sourceReport?.notes }).toEqual({
      output: "d ./it's \nd ./it's/empty \nf ./run.sh \nl ./dangling nowhere\n755\n",
      notes: ['caf\u{FFFD}: not taken over, its name is not UTF-8, which this kind of sandbox needs.'],
    })
  })

  test('a repository is cloned here, passed on whole, and its staging place is gone', async () => {
    const { sandbox, projectId } = await filled({ kind: 'git', url: `${git.origin}/plain.git` })
    const { output } = await run(sandbox, 'git status --porcelain; git log --format=%H; readlink link')
    const { sourceReport } = await getProject(db, projectId)
    expect({ output, left: readdirSync(join(dir, 's/projects')) }).toEqual({
      output: `${sourceReport?.commit}\na.txt\n`,
      left: [],
    })
  })
})
