// Who may import whom. `import type` leaves no trace here (tsPreCompilationDeps: false), so these are the arrows of what
// runs; docs/architecture.md draws them.

/** @param {string} name @param {string} from @param {string} to what it must not reach @param {string} comment */
const never = (name, from, to, comment) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: { path: to },
})

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-folder-circles',
      severity: 'error',
      comment: 'a room of src that knows another is not known by it, through any chain',
      scope: 'folder',
      from: { path: '^src/[^/]+$' },
      to: { circular: true, path: '^src/[^/]+$' },
    },
    never('shared-is-a-leaf', '^src/shared/', '^src/(?!shared/)', 'shared imports nothing of ours'),
    never('db-below', '^src/db/', '^src/(?!db/|shared/|events/topics)', 'db knows shared and the topics'),
    never('events-below', '^src/events/', '^src/(?!events/|shared/)', 'events know shared'),
    never('sandbox-below', '^src/sandbox/', '^src/(?!sandbox/|egress/|shared/)', 'sandbox knows egress and shared'),
    never('egress-below', '^src/egress/', '^src/(?!egress/|shared/)', 'egress knows shared'),
    never(
      'restore-in-the-middle',
      '^src/restore/',
      '^src/(activities|agent|server|worker|workflows|web|cli|config)',
      'restore knows db, sandbox and shared',
    ),
    never(
      'sources-in-the-middle',
      '^src/sources/',
      '^src/(activities|agent|server|worker|workflows|web|cli|config)',
      'sources know db, sandbox, egress and shared',
    ),
    never(
      'publish-in-the-middle',
      '^src/publish/',
      '^src/(activities|server|worker|workflows|web|cli|config)',
      'publishing knows db, sandbox, egress, sources and shared',
    ),
    never(
      'credentials-in-the-middle',
      '^src/credentials/',
      '^src/(?!credentials/|db/|egress/|shared/)',
      'credentials know db, egress and shared',
    ),
    never('approvals-below', '^src/approvals/', '^src/(?!approvals/|shared/)', 'approvals are rules: they know shared'),
    never('model-below', '^src/model/', '^src/(?!model/|shared/)', 'model knows shared'),
    never(
      'standin-beside',
      '^src/standin/',
      '^src/(?!standin/|model/|shared/)',
      'the scripted model knows the protocol and shared',
    ),
    never(
      'project-below',
      '^src/project/',
      '^src/(?!project/|sandbox/|shared/)',
      'what a project’s files say is asked of its sandbox alone',
    ),
    never(
      'tools-below',
      '^src/tools/',
      '^src/(?!tools/|sandbox/|model/|shared/|approvals/)',
      'tools are called by a lane and call no agent',
    ),
    never(
      'agent-in-the-middle',
      '^src/agent/',
      '^src/(activities|server|worker|workflows|web|cli|config)',
      'agent is called, it does not call up',
    ),
    never('only-mains-read-config', '^src/(?!.*main\\.ts|config|cli/)', '^src/config\\.ts', 'the rest receives values'),
    never('settings-are-config', '^src/(?!config|settings/)', '^src/settings/', 'settings are read by config.ts alone'),
    never('nothing-imports-test', '^src/', '^test/', 'tests import the program, not the other way round'),
    never('web-is-apart', '^src/web/', '^src/(?!web/|shared/|events/topics)', 'the page knows the contract only'),
    {
      name: 'workflows-are-pure',
      severity: 'error',
      comment: 'nothing that a workflow reaches, through any chain, may do I/O or be large',
      from: { path: '^src/workflows/' },
      to: {
        path: '^(src/(db|server|activities|agent|model|sandbox|events)/|node_modules/(zod|pg|redis|hono))',
        reachable: true,
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(src/db/generated|dist)' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: false,
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.mjs', '.js'] },
  },
}
