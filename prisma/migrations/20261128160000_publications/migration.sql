-- Work on its way out: one commit on one branch, and a pull request when it was asked for.
CREATE TABLE "publications" (
    "id" TEXT NOT NULL,
    "position" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "conversation_id" TEXT NOT NULL,
    "task_id" TEXT NOT NULL,
    "client_publish_id" TEXT,
    "request" TEXT NOT NULL,
    "status" TEXT NOT NULL,
    "step" TEXT NOT NULL,
    "branch" TEXT NOT NULL,
    "is_named" BOOLEAN NOT NULL,
    "tree_hash" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "pull_request" BOOLEAN NOT NULL,
    "draft" BOOLEAN NOT NULL,
    "allow_workflow_files" BOOLEAN NOT NULL,
    "base_branch" TEXT,
    "parent" TEXT,
    "commit" TEXT,
    "is_new_branch" BOOLEAN,
    "branch_url" TEXT,
    "pull_request_number" INTEGER,
    "pull_request_url" TEXT,
    "error_code" TEXT,
    "error_message" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),
    CONSTRAINT "publications_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "publications_project_id_client_publish_id_key" ON "publications"("project_id", "client_publish_id");
CREATE INDEX "publications_project_id_position_idx" ON "publications"("project_id", "position");
CREATE INDEX "publications_task_id_idx" ON "publications"("task_id");
