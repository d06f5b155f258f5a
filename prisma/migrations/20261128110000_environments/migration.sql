-- What a project's commands run in: versions that a person saved, and the set-up's last run.
CREATE TABLE "environments" (
    "project_id" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "body" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "environments_pkey" PRIMARY KEY ("project_id", "version")
);

CREATE TABLE "setups" (
    "project_id" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "inputs_hash" TEXT,
    "owner" TEXT,
    "expires_at" TIMESTAMPTZ(3),
    "requested_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "duration_ms" INTEGER,
    "exit_code" INTEGER,
    "sandbox" TEXT,
    "output" TEXT,
    CONSTRAINT "setups_pkey" PRIMARY KEY ("project_id")
);
