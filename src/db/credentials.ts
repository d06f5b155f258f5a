import { type Db, toDbError } from './client.ts'
import type { Credential as CredentialRow } from './generated/client.ts'

/** What a credential opens: a git host, or a registry of packages. */
export type CredentialKind = 'git' | 'registry'

/** What may be shown of a credential. */
export interface Credential {
  readonly id: string
  readonly kind: CredentialKind
  /** `git.example.com`, with a port when it is not 443. */
  readonly host: string
  readonly username?: string
  readonly createdAt: Date
  readonly lastUsedAt: Date | null
}

/** With the value as it is stored: sealed. */
export interface SealedCredential extends Credential {
  readonly sealed: Uint8Array
}

/** Stores a credential; `sealed` is what `sealSecret` made. Throws `store_unavailable`. */
export async function insertCredential(
  db: Db,
  input: {
    readonly id: string
    readonly kind: CredentialKind
    readonly host: string
    readonly username: string | undefined
    readonly sealed: Uint8Array<ArrayBuffer>
  },
): Promise<Credential> {
  const { username, ...data } = input
  try {
    return toCredential(await db.prisma.credential.create({ data: { ...data, username: username ?? null } }))
  } catch (error) {
    throw toDbError(error)
  }
}

/** All of them, oldest first, at most `limit`. Throws `store_unavailable`. */
export async function listCredentials(db: Db, limit: number): Promise<Credential[]> {
  try {
    return (await db.prisma.credential.findMany({ orderBy: { id: 'asc' }, take: limit })).map(toCredential)
  } catch (error) {
    throw toDbError(error)
  }
}

/** How many there are. Throws `store_unavailable`. */
export async function countCredentials(db: Db): Promise<number> {
  try {
    return await db.prisma.credential.count()
  } catch (error) {
    throw toDbError(error)
  }
}

/** The one with this id, or the newest of a host; null when there is none. Throws `store_unavailable`. */
export async function findSealed(
  db: Db,
  kind: CredentialKind,
  which: { readonly id: string } | { readonly host: string },
): Promise<SealedCredential | null> {
  try {
    const row = await db.prisma.credential.findFirst({ where: { kind, ...which }, orderBy: { id: 'desc' } })
    return row === null ? null : { ...toCredential(row), sealed: row.sealed }
  } catch (error) {
    throw toDbError(error)
  }
}

/** The newest of each host of a kind, at most `limit` hosts. Throws `store_unavailable`. */
export async function findAllSealed(db: Db, kind: CredentialKind, limit: number): Promise<SealedCredential[]> {
  try {
    const rows = await db.prisma.credential.findMany({
      where: { kind },
      distinct: ['host'],
      orderBy: { id: 'desc' },
      take: limit,
    })
    return rows.map((row) => ({ ...toCredential(row), sealed: row.sealed }))
  } catch (error) {
    throw toDbError(error)
  }
}

/** Notes that a credential was just sent to its host; one that was deleted meanwhile stays deleted. Throws `store_unavailable`. */
export async function markCredentialUsed(db: Db, id: string): Promise<void> {
  try {
    await db.prisma.credential.updateMany({ where: { id }, data: { lastUsedAt: new Date() } })
  } catch (error) {
    throw toDbError(error)
  }
}

/** False when there is none with this id. Throws `store_unavailable`. */
export async function deleteCredential(db: Db, id: string): Promise<boolean> {
  try {
    return (await db.prisma.credential.deleteMany({ where: { id } })).count > 0
  } catch (error) {
    throw toDbError(error)
  }
}

function toCredential(row: CredentialRow): Credential {
  const { id, host, username, createdAt, lastUsedAt } = row
  const kind = row.kind === 'registry' ? 'registry' : 'git'
  return { id, kind, host, ...(username === null ? {} : { username }), createdAt, lastUsedAt }
}
