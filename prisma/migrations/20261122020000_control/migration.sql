-- Which worker processes are alive, by their own word: each touches its row every few seconds.
CREATE TABLE "workers" (
    "id" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "workers_pkey" PRIMARY KEY ("id")
);

-- SHA-256 of setup links that were used, so that a server that was restarted knows them too.
CREATE TABLE "used_setup_tokens" (
    "hash" TEXT NOT NULL,
    "used_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "used_setup_tokens_pkey" PRIMARY KEY ("hash")
);

-- The greatest event number that retention removed: a reader with an older cursor must begin anew.
ALTER TABLE "projects" ADD COLUMN "pruned_seq" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "tasks" ADD COLUMN "pruned_seq" INTEGER NOT NULL DEFAULT 0;

-- The part of cost_usd that was not told by the model's server: replies that broke off before they said what they cost.
ALTER TABLE "tasks" ADD COLUMN "estimated_usd" DOUBLE PRECISION NOT NULL DEFAULT 0;
