-- A checkpoint that records a restore belongs to no task.
ALTER TABLE "checkpoints" ALTER COLUMN "task_id" DROP NOT NULL;
ALTER TABLE "checkpoints" ADD COLUMN "restored_from" TEXT;
ALTER TABLE "checkpoints" ADD COLUMN "is_partial" BOOLEAN NOT NULL DEFAULT false;

ALTER TABLE "conversations" ADD COLUMN "forked_from" TEXT;

CREATE TABLE "restores" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "checkpoint_id" TEXT NOT NULL,
    "restored_from" TEXT NOT NULL,
    "from_label" TEXT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "title" TEXT,
    "target_tree" TEXT NOT NULL,
    "before_tree" TEXT,
    "paths" TEXT,
    "status" TEXT NOT NULL,
    "pending_project_id" TEXT,
    "detail" TEXT,
    "changed" TEXT,
    "files" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "restores_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "restores_project_id_position_idx" ON "restores"("project_id", "position");
CREATE UNIQUE INDEX "restores_pending_project_id_key" ON "restores"("pending_project_id");

CREATE TABLE "inherited_tasks" (
    "conversation_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "task_id" TEXT NOT NULL,
    "through_turn" INTEGER,

    CONSTRAINT "inherited_tasks_pkey" PRIMARY KEY ("conversation_id", "position")
);

CREATE TABLE "inherited_messages" (
    "conversation_id" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,

    CONSTRAINT "inherited_messages_pkey" PRIMARY KEY ("conversation_id", "message_id")
);

CREATE TABLE "forked_files" (
    "project_id" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "mode" TEXT NOT NULL,
    "data" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "forked_files_pkey" PRIMARY KEY ("project_id", "path")
);
