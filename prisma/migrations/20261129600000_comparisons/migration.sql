-- Comparisons: further tries at a task's request, each in a project of its own that no listing shows, and which of them was chosen.
CREATE TABLE "comparisons" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "task_id" TEXT NOT NULL,
    "checkpoint_id" TEXT NOT NULL,
    "client_comparison_id" TEXT,
    "request" TEXT NOT NULL,
    "choose" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'running',
    "version" INTEGER NOT NULL DEFAULT 1,
    "items" TEXT NOT NULL,
    "results" TEXT,
    "chosen_index" INTEGER,
    "chosen_by" TEXT,
    "reason" TEXT,
    "cancel_requested_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "ended_at" TIMESTAMPTZ(3),
    "removed_at" TIMESTAMPTZ(3),
    CONSTRAINT "comparisons_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "comparisons_project_id_client_comparison_id_key" ON "comparisons"("project_id", "client_comparison_id");
CREATE INDEX "comparisons_task_id_position_idx" ON "comparisons"("task_id", "position");
CREATE INDEX "comparisons_removed_at_idx" ON "comparisons"("removed_at");

-- The project whose task an alternative is a further try at.
ALTER TABLE "projects" ADD COLUMN "alternative_of" TEXT;
CREATE INDEX "projects_alternative_of_idx" ON "projects"("alternative_of");

-- The comparison whose choice a restore puts into effect.
ALTER TABLE "restores" ADD COLUMN "comparison_id" TEXT;
CREATE INDEX "restores_comparison_id_idx" ON "restores"("comparison_id");
