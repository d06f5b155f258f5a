/** The database, and the role that initdb made its superuser; only starts use it. */
export const DATABASE = 'keelson'
export const ADMIN_ROLE = 'keelson'
/** The role of server, worker and migrations: it owns the database and nothing else, and is no superuser. */
export const APP_ROLE = 'keelson_app'

const CONNECT_TIMEOUT_MS = 5_000
const QUERY_TIMEOUT_MS = 20_000

/**
 * Makes the database and its owner, or takes over those of an earlier version, in which everything belonged to the
 * superuser. Safe to repeat: when all is as it should be, nothing is written. Resolves to false while the server does not
 * answer or refuses; its log then says why.
 *
 * @param {{ port: number, adminPassword: string, appPassword: string }} at
 * @returns {Promise<boolean>}
 */
export async function prepareDatabase({ port, adminPassword, appPassword }) {
  const server = { host: '127.0.0.1', port }
  const app = { ...server, user: APP_ROLE, password: appPassword, database: DATABASE }
  if ((await ask(app, isPrepared)) === true) return true
  const admin = { ...server, user: ADMIN_ROLE, password: adminPassword }
  const made = await ask({ ...admin, database: 'postgres' }, async (client) => {
    await makeDatabase(client, appPassword)
    return true
  })
  if (made !== true) return false
  await ask({ ...admin, database: DATABASE }, (client) => client.query(TAKE_OVER))
  return (await ask(app, isPrepared)) === true
}

const IS_PREPARED = `
select not (r.rolsuper or r.rolcreatedb or r.rolcreaterole or r.rolreplication or r.rolbypassrls)
  and not exists (select 1 from pg_database d where d.datname = current_database() and d.datdba <> r.oid)
  and not exists (select 1 from pg_namespace n where n.nspname = 'public' and n.nspowner <> r.oid)
  and not exists (select 1 from pg_class c where c.relnamespace = 'public'::regnamespace and c.relowner <> r.oid)
  and not exists (select 1 from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proowner <> r.oid) as yes
from pg_roles r where r.rolname = current_user`

/** @param {import('pg').Client} client */
async function isPrepared(client) {
  const { rows } = await client.query(IS_PREPARED)
  return rows[0]?.yes === true
}

/**
 * @param {import('pg').Client} client
 * @param {string} appPassword
 */
async function makeDatabase(client, appPassword) {
  const { rowCount: hasRole } = await client.query('select 1 from pg_roles where rolname = $1', [APP_ROLE])
  if (hasRole === 0) await client.query(`create role ${APP_ROLE}`)
  // Also for a role that is there: whatever it was allowed meanwhile, it is this and no more.
  await client.query(
    `alter role ${APP_ROLE} with login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password ${client.escapeLiteral(appPassword)}`,
  )
  const { rowCount: hasDatabase } = await client.query('select 1 from pg_database where datname = $1', [DATABASE])
  if (hasDatabase === 0) await client.query(`create database ${DATABASE} owner ${APP_ROLE}`)
  else await client.query(`alter database ${DATABASE} owner to ${APP_ROLE}`)
}

// Tables first: a sequence that belongs to a column follows its table and refuses to be given away alone.
const TAKE_OVER = `
do $$
declare
  statement text;
begin
  alter schema public owner to ${APP_ROLE};
  for statement in
    select format('alter %s %s owner to ${APP_ROLE}',
      case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end, c.oid::regclass)
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
      and c.relowner <> '${APP_ROLE}'::regrole
  loop
    execute statement;
  end loop;
  for statement in
    select format('alter sequence %s owner to ${APP_ROLE}', c.oid::regclass)
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' and c.relowner <> '${APP_ROLE}'::regrole
  loop
    execute statement;
  end loop;
  for statement in
    select format('alter routine %s owner to ${APP_ROLE}', p.oid::regprocedure)
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proowner <> '${APP_ROLE}'::regrole
  loop
    execute statement;
  end loop;
  for statement in
    select format('alter type %s owner to ${APP_ROLE}', t.oid::regtype)
    from pg_type t
    where t.typnamespace = 'public'::regnamespace and t.typtype in ('e', 'd', 'r') and t.typowner <> '${APP_ROLE}'::regrole
  loop
    execute statement;
  end loop;
end $$`

/**
 * @template T
 * @param {import('pg').ClientConfig} config
 * @param {(client: import('pg').Client) => Promise<T>} work
 * @returns {Promise<T | undefined>} undefined when it could not be asked
 */
async function ask(config, work) {
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    ...config,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  })
  // A lost connection fails the query under way; unheard, the event would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } catch {
    return undefined
  } finally {
    await client.end().catch(() => undefined)
  }
}
