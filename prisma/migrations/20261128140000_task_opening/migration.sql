-- What a task's first message says of project, facts and earlier tasks before the user's words: a JSON array of blocks.
-- NULL: a task of the version before, whose static prefix holds them.
ALTER TABLE "task_memories" ADD COLUMN "opening" TEXT;
