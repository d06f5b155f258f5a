-- A project's own limits, as JSON: {"task":{…},"project":{…},"day":{…}}. What it does not name is the server's default.
ALTER TABLE "projects" ADD COLUMN "budget" TEXT;

-- Times in which a task waited for a larger budget: they do not count as minutes of work.
CREATE TABLE "budget_waits" (
    "task_id" TEXT NOT NULL,
    "began_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "project_id" TEXT NOT NULL,
    "scopes" TEXT NOT NULL,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "budget_waits_pkey" PRIMARY KEY ("task_id", "began_at")
);

-- Figures are asked for by time, for one project or for all.
CREATE INDEX "tasks_project_id_created_at_idx" ON "tasks"("project_id", "created_at");
CREATE INDEX "tasks_created_at_idx" ON "tasks"("created_at");
-- How many tasks run or wait is asked at every scrape.
CREATE INDEX "tasks_status_idx" ON "tasks"("status");
