-- The criteria that a task is judged by: the newest version when its workflow was started.
ALTER TABLE "tasks" ADD COLUMN "criteria_version" INTEGER;
-- What checks that failed in a round did on the tree that the task started from.
ALTER TABLE "tasks" ADD COLUMN "baseline" TEXT;

-- While a task's first tree is in the workspace: the tree that belongs there.
ALTER TABLE "projects" ADD COLUMN "borrowed_tree" TEXT;

-- Set when a fix made checks worse: the tree that was put back.
ALTER TABLE "review_rounds" ADD COLUMN "restored_tree" TEXT;

-- Why a finding weighs less than its reviewer said, and what a person said about it.
ALTER TABLE "findings" ADD COLUMN "demoted_from" TEXT;
ALTER TABLE "findings" ADD COLUMN "demoted_why" TEXT;
ALTER TABLE "findings" ADD COLUMN "human_verdict" TEXT;
ALTER TABLE "findings" ADD COLUMN "human_reason" TEXT;
ALTER TABLE "findings" ADD COLUMN "judged_at" TIMESTAMPTZ(3);
