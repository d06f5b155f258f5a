-- What tasks ask people and what they said, and the plan that a task shows.
CREATE TABLE "approvals" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "task_id" TEXT NOT NULL,
    "turn" INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "detail" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "answer" TEXT,
    "note" TEXT,
    "scope" TEXT,
    "decided_by" TEXT,
    "requested_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "decided_at" TIMESTAMPTZ(3),
    CONSTRAINT "approvals_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "approvals_task_id_key_key" ON "approvals"("task_id", "key");
CREATE INDEX "approvals_project_id_position_idx" ON "approvals"("project_id", "position");
CREATE INDEX "approvals_state_position_idx" ON "approvals"("state", "position");

ALTER TABLE "tasks" ADD COLUMN "plan" TEXT;
