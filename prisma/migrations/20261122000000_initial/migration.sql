-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "projects" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "sandbox_provider" TEXT NOT NULL,
    "last_seq" INTEGER NOT NULL DEFAULT 0,
    "active_task_id" TEXT,
    "context_hash" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "projects_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "conversations" (
    "id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "conversations_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "messages" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "task_id" TEXT,
    "role" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "delivery" TEXT,
    "client_message_id" TEXT,
    "turn" INTEGER,
    "accepted_seq" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "messages_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tasks" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "phase" TEXT NOT NULL DEFAULT 'preparing',
    "turn" INTEGER NOT NULL DEFAULT 0,
    "round" INTEGER NOT NULL DEFAULT 0,
    "model" TEXT NOT NULL,
    "outcome" TEXT,
    "reason_code" TEXT,
    "reason_message" TEXT,
    "force_context" BOOLEAN NOT NULL DEFAULT false,
    "max_usd" DOUBLE PRECISION,
    "max_turns" INTEGER,
    "max_minutes" DOUBLE PRECISION,
    "budget_warned" TEXT NOT NULL DEFAULT '',
    "input_tokens" INTEGER NOT NULL DEFAULT 0,
    "output_tokens" INTEGER NOT NULL DEFAULT 0,
    "cache_read_tokens" INTEGER NOT NULL DEFAULT 0,
    "cache_write_tokens" INTEGER NOT NULL DEFAULT 0,
    "cost_usd" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "unpriced_calls" INTEGER NOT NULL DEFAULT 0,
    "review" TEXT NOT NULL,
    "lease" INTEGER NOT NULL DEFAULT 0,
    "context_hash" TEXT,
    "start_tree" TEXT,
    "latest_tree" TEXT,
    "files_changed" INTEGER NOT NULL DEFAULT 0,
    "lines_added" INTEGER NOT NULL DEFAULT 0,
    "lines_removed" INTEGER NOT NULL DEFAULT 0,
    "cancel_requested_at" TIMESTAMPTZ(3),
    "cancel_reason" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "tasks_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "turns" (
    "task_id" TEXT NOT NULL,
    "turn" INTEGER NOT NULL,
    "lane" TEXT NOT NULL,
    "message_id" TEXT NOT NULL,
    "user_content" TEXT NOT NULL,
    "reply_content" TEXT,
    "stop_reason" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "input_tokens" INTEGER NOT NULL DEFAULT 0,
    "output_tokens" INTEGER NOT NULL DEFAULT 0,
    "cache_read_tokens" INTEGER NOT NULL DEFAULT 0,
    "cache_write_tokens" INTEGER NOT NULL DEFAULT 0,
    "cost_usd" DOUBLE PRECISION,
    "model" TEXT,
    "first_token_ms" INTEGER,
    "duration_ms" INTEGER,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "replied_at" TIMESTAMPTZ(3),

    CONSTRAINT "turns_pkey" PRIMARY KEY ("task_id","turn")
);

-- CreateTable
CREATE TABLE "tool_calls" (
    "task_id" TEXT NOT NULL,
    "tool_use_id" TEXT NOT NULL,
    "turn" INTEGER NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "lane" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "input" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "effect" TEXT,
    "result" TEXT,
    "is_error" BOOLEAN NOT NULL DEFAULT false,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "duration_ms" INTEGER,

    CONSTRAINT "tool_calls_pkey" PRIMARY KEY ("task_id","tool_use_id")
);

-- CreateTable
CREATE TABLE "notices" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "task_id" TEXT NOT NULL,
    "lane" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "claimed_turn" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "notices_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "events" (
    "project_id" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    "task_id" TEXT,
    "topic" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "data" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "events_pkey" PRIMARY KEY ("project_id","seq")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "task_id" TEXT,
    "payload" TEXT NOT NULL DEFAULT '{}',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "done_at" TIMESTAMPTZ(3),

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "project_contexts" (
    "project_id" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "markdown" TEXT NOT NULL,
    "tokens" INTEGER NOT NULL,
    "sources" TEXT NOT NULL,
    "generated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "project_contexts_pkey" PRIMARY KEY ("project_id","hash")
);

-- CreateTable
CREATE TABLE "review_criteria" (
    "project_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "body" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "review_criteria_pkey" PRIMARY KEY ("project_id","version")
);

-- CreateTable
CREATE TABLE "review_rounds" (
    "task_id" TEXT NOT NULL,
    "round" INTEGER NOT NULL,
    "tree_hash" TEXT NOT NULL,
    "checks" TEXT,
    "verdict" TEXT,
    "summary" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "review_rounds_pkey" PRIMARY KEY ("task_id","round")
);

-- CreateTable
CREATE TABLE "findings" (
    "id" TEXT NOT NULL,
    "task_id" TEXT NOT NULL,
    "project_id" TEXT NOT NULL,
    "round" INTEGER NOT NULL,
    "criterion_id" TEXT,
    "severity" TEXT NOT NULL,
    "file" TEXT,
    "line" INTEGER,
    "claim" TEXT NOT NULL,
    "evidence" TEXT NOT NULL,
    "scenario" TEXT,
    "state" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "findings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "checkpoints" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "task_id" TEXT NOT NULL,
    "turn" INTEGER NOT NULL,
    "tree_hash" TEXT NOT NULL,
    "label" TEXT NOT NULL,
    "files" INTEGER NOT NULL,
    "added" INTEGER NOT NULL,
    "removed" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "checkpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sandboxes" (
    "project_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 1,
    "ref" TEXT,
    "filled" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "sandboxes_pkey" PRIMARY KEY ("project_id")
);

-- CreateIndex
CREATE INDEX "conversations_project_id_id_idx" ON "conversations"("project_id", "id");

-- CreateIndex
CREATE INDEX "messages_conversation_id_position_idx" ON "messages"("conversation_id", "position");

-- CreateIndex
CREATE INDEX "messages_task_id_status_idx" ON "messages"("task_id", "status");

-- CreateIndex
CREATE UNIQUE INDEX "messages_project_id_client_message_id_key" ON "messages"("project_id", "client_message_id");

-- CreateIndex
CREATE INDEX "tasks_project_id_status_position_idx" ON "tasks"("project_id", "status", "position");

-- CreateIndex
CREATE INDEX "tasks_conversation_id_position_idx" ON "tasks"("conversation_id", "position");

-- CreateIndex
CREATE INDEX "tool_calls_task_id_turn_ordinal_idx" ON "tool_calls"("task_id", "turn", "ordinal");

-- CreateIndex
CREATE UNIQUE INDEX "notices_task_id_key_key" ON "notices"("task_id", "key");

-- CreateIndex
CREATE INDEX "events_task_id_seq_idx" ON "events"("task_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "events_project_id_key_key" ON "events"("project_id", "key");

-- CreateIndex
CREATE INDEX "outbox_done_at_next_at_idx" ON "outbox"("done_at", "next_at");

-- CreateIndex
CREATE INDEX "findings_task_id_round_idx" ON "findings"("task_id", "round");

-- CreateIndex
CREATE INDEX "findings_project_id_created_at_idx" ON "findings"("project_id", "created_at");

-- CreateIndex
CREATE INDEX "checkpoints_project_id_position_idx" ON "checkpoints"("project_id", "position");

-- CreateIndex
CREATE UNIQUE INDEX "checkpoints_task_id_turn_tree_hash_key" ON "checkpoints"("task_id", "turn", "tree_hash");

-- Appends durable events to a project and numbers them without holes. An event whose key is stored already is skipped,
-- so a repeat is harmless. p_events is an array of {key, taskId, topic, type, data}; data is the frame's JSON object as
-- text, without its seq, which is put in front here. The project's row is locked by this and by every caller before.
CREATE FUNCTION append_events(p_project TEXT, p_events JSON)
RETURNS TABLE (seq INTEGER, topic TEXT, type TEXT, task_id TEXT, data TEXT)
LANGUAGE plpgsql AS $$
DECLARE
  entry JSON;
  last INTEGER;
BEGIN
  SELECT p.last_seq INTO STRICT last FROM projects p WHERE p.id = p_project FOR NO KEY UPDATE;
  FOR entry IN SELECT * FROM json_array_elements(p_events) LOOP
    CONTINUE WHEN EXISTS (SELECT 1 FROM events e WHERE e.project_id = p_project AND e.key = entry ->> 'key');
    last := last + 1;
    seq := last;
    topic := entry ->> 'topic';
    type := entry ->> 'type';
    task_id := entry ->> 'taskId';
    data := '{"seq":' || last || ',' || substr(entry ->> 'data', 2);
    INSERT INTO events (project_id, seq, key, task_id, topic, type, data)
    VALUES (p_project, last, entry ->> 'key', task_id, topic, type, data);
    RETURN NEXT;
  END LOOP;
  UPDATE projects p SET last_seq = last WHERE p.id = p_project AND p.last_seq <> last;
END
$$;
