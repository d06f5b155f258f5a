-- Who prepares or restores a project's files: a lease instead of a connection that is kept for as long as that takes.
CREATE TABLE "project_locks" (
    "project_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "owner" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "project_locks_pkey" PRIMARY KEY ("project_id", "kind")
);

-- A fill that was begun and not recorded may still be written by a process that sleeps: what it made is never taken over.
ALTER TABLE "sandboxes" ADD COLUMN "fill_begun_at" TIMESTAMPTZ(3);
