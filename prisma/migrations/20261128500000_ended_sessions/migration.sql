-- Sign-ins of browsers that were ended before their time, by the hash of their id; the hash '*' ends all older ones.
CREATE TABLE "ended_sessions" (
    "hash" TEXT NOT NULL,
    "ended_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "ended_sessions_pkey" PRIMARY KEY ("hash")
);
