-- What a round's checks are, decided once: another attempt runs the same ones under the same ids.
ALTER TABLE "review_rounds" ADD COLUMN "plan" TEXT;
-- What the checks of a tree showed; it counts for the task only while that tree is its latest.
ALTER TABLE "tasks" ADD COLUMN "evidence" TEXT NOT NULL DEFAULT 'unverified';
ALTER TABLE "tasks" ADD COLUMN "evidence_tree" TEXT;
