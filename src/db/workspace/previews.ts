/** Who looks at previews: when somebody last did, and the one-time tickets that open them. */

import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** Notes that somebody looks at a service: it ends an hour after the last one. Safe to repeat. */
export async function noteViewed(db: Db, serviceId: string): Promise<void> {
  await query(db, 'UPDATE services SET viewed_at = now() WHERE id = $1 AND ended_at IS NULL', [serviceId])
}

/** Keeps a ticket, by its hash, that opens a service's preview once within `forSeconds`; old ones go. */
export async function addTicket(
  db: Db,
  ticket: { readonly hash: string; readonly serviceId: string; readonly forSeconds: number },
): Promise<void> {
  await query(
    db,
    `WITH old AS (DELETE FROM preview_tickets WHERE expires_at < now())
     INSERT INTO preview_tickets (hash, service_id, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))`,
    [ticket.hash, ticket.serviceId, ticket.forSeconds],
  )
}

/** Uses a ticket up; false for one that is not there, was used, is too old or opens another service. */
export async function redeemTicket(
  db: Db,
  ticket: { readonly hash: string; readonly serviceId: string },
): Promise<boolean> {
  const rows = await query<{ service_id: string }>(
    db,
    'DELETE FROM preview_tickets WHERE hash = $1 AND service_id = $2 AND expires_at >= now() RETURNING service_id',
    [ticket.hash, ticket.serviceId],
  )
  return rows.length > 0
}
