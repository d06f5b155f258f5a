-- What a task changed in places that checkpoints do not hold (JSON), checkpoints whose files are not kept any more, and when
-- a sandbox's checkpoints were last cleared up.
ALTER TABLE "tasks" ADD COLUMN "left_out" TEXT;
ALTER TABLE "checkpoints" ADD COLUMN "dropped_at" TIMESTAMPTZ(3);
ALTER TABLE "sandboxes" ADD COLUMN "pruned_at" TIMESTAMPTZ(3);
