/**
 * Tokens for git hosts and package registries. A value goes in once, lies sealed in Postgres, and comes out only here, for
 * our own connections to its host: never into a sandbox, an argument, an address, a log, an event or a payload.
 */

import type { Db } from '../db/client.ts'
import {
  type Credential,
  type CredentialKind,
  countCredentials,
  deleteCredential,
  findAllSealed,
  findSealed,
  insertCredential,
  listCredentials,
  markCredentialUsed,
  type SealedCredential,
} from '../db/credentials.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import { openSecret, type SealingKey, sealSecret } from './seal.ts'

/** Credentials of one installation. */
export const MAX_CREDENTIALS = 200

/** A credential with its value, for whoever connects to its host. Must not be logged or passed on. */
export interface OpenCredential {
  readonly id: string
  readonly host: string
  readonly username: string | undefined
  readonly secret: string
  readonly createdAt: Date
}

/** What is to be stored; the secret is sealed before it reaches the database. */
export interface NewCredential {
  readonly kind: CredentialKind
  /** In the form of `canonicalCredentialHost`. */
  readonly host: string
  readonly username?: string | undefined
  readonly secret: string
}

/**
 * Tokens of people, sealed in the database: each call is one statement or transaction, and throws `store_unavailable`
 * (retried) while the database is away.
 */
export interface Credentials {
  /** Stores one; a host may have several, of which the newest is used by itself. Throws `bad_request` when there are too many. */
  add(input: NewCredential): Promise<Credential>
  /** All, oldest first, without their values. */
  list(): Promise<Credential[]>
  /** False when there is none. */
  remove(id: string): Promise<boolean>
  /**
   * The one with this id, or the newest of a host (in the form of `canonicalCredentialHost`); null when there is none.
   * Throws `credential_unreadable` when it was sealed with another key. Reading it is no use of it: see `markUsed`.
   */
  find(kind: CredentialKind, which: { readonly id: string } | { readonly host: string }): Promise<OpenCredential | null>
  /** The newest of each host; those that cannot be read with this key are left out. */
  findAll(kind: CredentialKind): Promise<OpenCredential[]>
  /** To be called when a credential was sent to its host. Safe to repeat. */
  markUsed(id: string): Promise<void>
}

/** Every call throws `store_unavailable` besides what it says. `key` is asked for when it is first needed. */
export function createCredentials(options: { readonly db: Db; key(): SealingKey }): Credentials {
  const { db } = options
  let known: SealingKey | undefined
  const key = () => {
    known ??= options.key()
    return known
  }
  const opened = (row: SealedCredential): OpenCredential | null => {
    const { id, kind, host, username, createdAt } = row
    const secret = openSecret(key(), row.sealed, purposeOf({ id, kind, host }))
    return secret === null ? null : { id, host, username, secret, createdAt }
  }
  return {
    async add({ kind, host, username, secret }) {
      if ((await countCredentials(db)) >= MAX_CREDENTIALS) {
        const message = `There are ${MAX_CREDENTIALS} credentials already; delete some that are not needed.`
        throw new AppError('bad_request', message)
      }
      const id = newId('crd')
      const sealed = sealSecret(key(), secret, purposeOf({ id, kind, host }))
      return await insertCredential(db, { id, kind, host, username, sealed })
    },
    list: () => listCredentials(db, MAX_CREDENTIALS),
    remove: (id) => deleteCredential(db, id),
    async find(kind, which) {
      const row = await findSealed(db, kind, which)
      if (row === null) return null
      const credential = opened(row)
      if (credential !== null) return credential
      throw new AppError(
        'credential_unreadable',
        `The stored credential for ${row.host} was sealed with another key than this installation has now. Delete it and store it again.`,
      )
    },
    async findAll(kind) {
      const rows = await findAllSealed(db, kind, MAX_CREDENTIALS)
      return rows.map(opened).filter((credential) => credential !== null)
    },
    markUsed: (id) => markCredentialUsed(db, id),
  }
}

function purposeOf({ id, kind, host }: { id: string; kind: CredentialKind; host: string }): string {
  return `${id} ${kind} ${host}`
}

/** What is sent to a git host: Basic for all of them; hosts that look at the token alone take any name. Pure. */
export function gitAuthorization({ username, secret }: Pick<OpenCredential, 'username' | 'secret'>): string {
  return `Basic ${Buffer.from(`${username ?? DEFAULT_GIT_USER}:${secret}`).toString('base64')}`
}

/** Taken by GitHub, GitLab, Gitea and Forgejo for a token of any kind. */
const DEFAULT_GIT_USER = 'oauth2'
