-- What people asked to remember, one row a project: `version` goes up with every change.
CREATE TABLE "project_memories" (
    "project_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 0,
    "facts" TEXT NOT NULL DEFAULT '[]',
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "project_memories_pkey" PRIMARY KEY ("project_id")
);

-- What a task that ended leaves to the conversation's later ones.
CREATE TABLE "task_summaries" (
    "task_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "task_summaries_pkey" PRIMARY KEY ("task_id")
);

-- What a task was told of earlier ones, fixed at its first turn: its static prefix never changes.
CREATE TABLE "task_memories" (
    "task_id" TEXT NOT NULL,
    "whole" TEXT NOT NULL,
    "blocks" TEXT NOT NULL,
    "facts_version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "task_memories_pkey" PRIMARY KEY ("task_id")
);

-- From `turn` on the model sees `text` in place of all that was said up to `through_turn`.
CREATE TABLE "compactions" (
    "task_id" TEXT NOT NULL,
    "lane" TEXT NOT NULL,
    "turn" INTEGER NOT NULL,
    "through_turn" INTEGER NOT NULL,
    "text" TEXT NOT NULL,
    "before_tokens" INTEGER NOT NULL,
    "after_tokens" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "compactions_pkey" PRIMARY KEY ("task_id", "lane", "turn")
);
