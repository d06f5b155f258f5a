-- Tokens for git hosts and package registries; the value is sealed with a key that is not in the database.
CREATE TABLE "credentials" (
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "host" TEXT NOT NULL,
    "username" TEXT,
    "sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),

    CONSTRAINT "credentials_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "credentials_kind_host_idx" ON "credentials" ("kind", "host");
