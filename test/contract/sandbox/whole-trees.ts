import { beforeEach, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aSandbox, codeOf, type ProviderUnderTest, run } from './harness.ts'

/** Everything in the workspace: type, permissions, size and link target of each path, content by its sum. */
const LOOK = `find . -mindepth 1 ! -path './.git/*' -printf '%P %y %m %l\\n' | LC_ALL=C sort
  find . -type f ! -path './.git/*' -print0 | LC_ALL=C sort -z | xargs -0 -r cat | sha256sum`

/** What a provider promises whose checkpoints hold all of a workspace. */
export function wholeTreesContract(underTest: () => ProviderUnderTest): void {
  describe('whole trees', () => {
    let sandbox: Sandbox
    const shell = async (command: string) => (await run(sandbox, command)).output
    const names = async (from: string, to: string) =>
      (await sandbox.changes(from, to)).map(({ path, kind, binary }) => `${kind} ${path}${binary ? ' binary' : ''}`)

    beforeEach(async () => {
      sandbox = (await aSandbox(underTest().provider)).sandbox
    })

    test('byte names, permissions, empty directories, links and large files come back', async () => {
      await shell(
        `umask 022; mkdir -p logs/today 'd\\xe9r' closed; python3 - <<'E'
import os
for name, text in ((b'x\\xe9.txt', b'one'), (b'd\\xe9r/in.txt', b'two'), (b'nl\\n.txt', b'three')):
    os.makedirs(os.path.dirname(name) or b'.', exist_ok=True)
    open(name, 'wb').write(text)
E
         echo k > key; chmod 600 key; echo r > run; chmod 755 run; echo o > ro; chmod 444 ro; echo c > closed/c; chmod 500 closed
         ln -s key link; seq 1 400000 > data.csv; seq 1 380000 > gone.csv`,
      )
      const before = await sandbox.checkpoint()
      const looked = await shell(LOOK)
      await shell(
        `python3 - <<'E'
import os
os.remove(b'x\\xe9.txt'); open(b'y\\xe9.txt', 'wb').write(b'1'); open(b'd\\xe9r/in.txt', 'wb').write(b'changed')
E
         chmod 644 key; chmod u+w ro; echo changed > ro; chmod 644 run ro; rm -r logs; mkdir -p extra/deep; chmod 755 closed
         rm gone.csv closed/c; sed -i 5s/.*/five/ data.csv; seq 1 450000 > new.csv; ln -sf run link`,
      )
      const after = await sandbox.checkpoint()
      const told = await names(before, after)
      await sandbox.restore(before)
      expect({ tree: await sandbox.checkpoint(), files: await shell(LOOK), told }).toEqual({
        tree: before,
        files: looked,
        told: [
          'delete closed/c',
          'modify data.csv binary',
          'modify d\u{FFFD}r/in.txt',
          'delete gone.csv binary',
          'modify key',
          'modify link',
          'create new.csv binary',
          'modify ro',
          'modify run',
          'delete x\u{FFFD}.txt',
          'create y\u{FFFD}.txt',
        ],
      })
    })

    test('directories are named when nothing else differs', async () => {
      await shell('umask 022; mkdir -p logs/today src; echo x > src/f')
      const before = await sandbox.checkpoint()
      await shell('umask 022; rmdir logs/today; mkdir -p new/er; chmod 700 src')
      const after = await sandbox.checkpoint()
      const told = await names(before, after)
      await sandbox.restore(before)
      expect([told, await sandbox.checkpoint(), await shell('ls -d logs/today')]).toEqual([
        ['delete logs/today/', 'create new/er/', 'modify src/'],
        before,
        'logs/today\n',
      ])
    })

    test('a large file is named in the diff, and a change of permissions alone too', async () => {
      await sandbox.write([{ path: 'key', data: 'k', mode: 0o600 }])
      const before = await sandbox.checkpoint()
      await shell('seq 1 400000 > data.csv; chmod 640 key')
      const { patch } = await sandbox.diff(before, await sandbox.checkpoint(), { maxBytes: 10_000 })
      expect(patch).toContain('Binary files /dev/null and b/data.csv differ')
      expect(patch).toContain('diff --git a/key b/key\nold mode 100600\nnew mode 100640\n')
    })

    test.each([
      ['its directory', 'git init -q .', 'true'],
      // A repository of the other kind of ids, whose index is in two files and in the shortest form.
      [
        'its directory or its repository',
        'git init -q --object-format=sha256 .',
        'git update-index --split-index --index-version=4',
      ],
    ])('what git tracks is source whatever %s is called', async (_, init, rewrite) => {
      await sandbox.write([{ path: 'package.json', data: '{}' }])
      await sandbox.checkpoint()
      await shell(
        `${init} && mkdir -p dist node_modules/tool node_modules/other && echo 1 > dist/index.js
         echo 1 > node_modules/tool/t.js; echo 1 > node_modules/other/o.js; git add -f dist/index.js node_modules/tool/t.js
         ${rewrite}`,
      )
      const before = await sandbox.checkpoint()
      await shell('echo 2 > dist/index.js; echo 2 > node_modules/tool/t.js; echo 2 > node_modules/other/o.js')
      const after = await sandbox.checkpoint()
      const told = await names(before, after)
      await sandbox.restore(before)
      const files = await shell('cat dist/index.js node_modules/tool/t.js node_modules/other/o.js')
      expect([told, files]).toEqual([['modify dist/index.js', 'modify node_modules/tool/t.js'], '1\n1\n2\n'])
    })

    test('build output that came with the project is source, what a build makes later is not', async () => {
      await sandbox.write([
        { path: 'package.json', data: '{}' },
        { path: 'dist/index.js', data: '1' },
        { path: 'lib/package.json', data: '{}' },
      ])
      const before = await sandbox.checkpoint()
      await shell('echo 2 > dist/index.js; mkdir lib/dist; echo 1 > lib/dist/made.js')
      expect(await names(before, await sandbox.checkpoint())).toEqual(['modify dist/index.js'])
    })

    test('what a set-up installs beside the sources is left out and told, unless git tracks it or it came with the project', async () => {
      const SET_UP = `set -e; for at in . web zero; do mkdir -p $at/.yarn/cache $at/.yarn/unplugged $at/vendor/bundle $at/vendor/own
          for f in .pnp.cjs .pnp.loader.mjs .yarn/install-state.gz .yarn/cache/a.zip .yarn/unplugged/u vendor/bundle/gem vendor/own/o; do
            echo $1 > $at/$f; done; done; mkdir -p php/vendor go/vendor; echo $1 > php/vendor/p.php; echo $1 > go/vendor/g.go`
      const setUp = (n: number) => shell(`set -- ${n}; ${SET_UP}`)
      await sandbox.write([
        { path: 'php/composer.json', data: '{}' },
        { path: 'go/go.mod', data: 'module m' },
        { path: 'zero/.pnp.cjs', data: '0' },
        { path: 'zero/.yarn/cache/a.zip', data: '0' },
        { path: 'kept/.pnp.cjs', data: '0' },
        { path: 'kept/.yarn/cache/a.zip', data: '0' },
      ])
      await shell('git init -q . && git add zero && git -c user.name=a -c user.email=a@b.invalid commit -qm zero')
      const before = await sandbox.checkpoint()
      await setUp(1)
      await shell('echo 1 | tee kept/.pnp.cjs > kept/.yarn/cache/a.zip')
      await sandbox.markLeftOut('begin')
      const after = await sandbox.checkpoint()
      await setUp(2)
      const told = (await sandbox.leftOutSince('begin')).map(({ path, kind }) => `${path} ${kind}`)
      await sandbox.restore(before)
      expect({
        changed: await names(before, after),
        told: told.filter((line) => !line.startsWith('.git ')).toSorted(),
        installed: await shell('cat .pnp.cjs php/vendor/p.php zero/.pnp.cjs; ls go'),
      }).toEqual({
        changed: [
          'create go/vendor/g.go',
          'modify kept/.pnp.cjs',
          'modify kept/.yarn/cache/a.zip',
          'create vendor/own/o',
          'create web/vendor/own/o',
          'modify zero/.pnp.cjs',
          'modify zero/.yarn/cache/a.zip',
          'create zero/vendor/own/o',
        ],
        told: [
          ...['.', 'web', 'zero'].flatMap((at) => {
            const places = ['.pnp.loader.mjs', '.yarn/install-state.gz', '.yarn/unplugged', 'vendor/bundle']
            return (at === 'zero' ? places : ['.pnp.cjs', '.yarn/cache', ...places]).map(
              (place) => `${at === '.' ? '' : `${at}/`}${place} dependencies`,
            )
          }),
          'php/vendor dependencies',
        ].toSorted(),
        installed: '2\n2\n0go.mod\n',
      })
    })

    test('hooks and configuration of git are in the diff and go back; the rest of it is left alone', async () => {
      await shell('git init -q . && git config user.name a')
      const before = await sandbox.checkpoint()
      await shell('echo evil > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; git config core.pager evil')
      const told = await names(before, await sandbox.checkpoint())
      await sandbox.restore(before)
      expect([
        told,
        await shell('ls .git/hooks | grep -v sample; git config core.pager; git config user.name'),
      ]).toEqual([['modify .git/config', 'create .git/hooks/pre-commit'], 'a\n'])
    })

    test('of a repository below that was deleted the files come back, and nothing that only looks like a repository', async () => {
      await shell(
        'git init -q lib/sub; echo x > lib/sub/x; mkdir -p pointed; echo "gitdir: ../lib/sub/.git" > pointed/.git',
      )
      const before = await sandbox.checkpoint()
      await shell('rm -rf lib pointed')
      await sandbox.restore(before)
      expect(await shell('ls -A lib/sub; cat pointed/.git')).toBe('x\ngitdir: ../lib/sub/.git\n')
    })

    test('too long paths, deep directories, locked places and odd files break nothing and are there as far as they can be', async () => {
      const before = await sandbox.checkpoint()
      await shell(
        `echo one > visible.txt; mkfifo pipe; python3 - <<'E'
import os
top = os.getcwd()
for i in range(25): os.mkdir('d' * 200); os.chdir('d' * 200)
open('deep.txt', 'w').write('x')
os.chdir(top)
for i in range(200): os.mkdir('n'); os.chdir('n')
open('deeper.txt', 'w').write('x')
E
         mkdir locked; echo x > locked/f; echo y > g; chmod 000 locked g`,
      )
      const after = await sandbox.checkpoint()
      const paths = (await sandbox.changes(before, after)).map((change) => change.path)
      const listed = await sandbox.list('', { depth: 20, limit: 200 })
      await sandbox.restore(before)
      expect({
        seen: [paths.includes('visible.txt'), paths.some((path) => path.endsWith('d/deep.txt'))],
        listed: listed.entries.some((entry) => entry.path === 'visible.txt'),
        gone: await sandbox.stat('visible.txt'),
        again: (await sandbox.checkpoint()).length,
      }).toEqual({ seen: [true, true], listed: true, gone: null, again: 40 })
    })

    test('a restore that is refused in its midst leaves no directory writable that was not', async () => {
      await shell('mkdir -p shut/sub; echo a > shut/a; echo f > shut/sub/f; chmod 555 shut')
      const before = await sandbox.checkpoint()
      await shell('chmod 755 shut; rm -r shut/*; mkfifo shut/sub; chmod 555 shut')
      const refused = await codeOf(sandbox.restore(before))
      expect([refused, await shell('stat -c %a shut; cat shut/a')]).toEqual(['sandbox_bad_request', '555\na\n'])
    })

    test('a directory of very many names is left out, and nothing else', async () => {
      const empty = await sandbox.checkpoint()
      await shell(
        `python3 - <<'E'
import os
os.makedirs('many'); open('many/f', 'w').close()
for i in range(50100): os.link('many/f', 'many/%050d' % i)
E
         echo one > visible.txt`,
      )
      expect(await names(empty, await sandbox.checkpoint())).toEqual(['create visible.txt'])
    })
  })
}
