-- Long-lived commands of a project (dev servers), who watches them, and the one-time tickets that open their previews.
CREATE TABLE "services" (
  "id" TEXT NOT NULL,
  "project_id" TEXT NOT NULL,
  "name" TEXT NOT NULL,
  "command" TEXT NOT NULL,
  "wanted_port" INTEGER,
  "state" TEXT NOT NULL,
  "port" INTEGER,
  "ports" TEXT NOT NULL DEFAULT '[]',
  "started_by" TEXT NOT NULL,
  "secret" TEXT NOT NULL,
  "exec_id" TEXT NOT NULL,
  "sandbox" TEXT,
  "exit_code" INTEGER,
  "reason" TEXT,
  "tail" TEXT NOT NULL DEFAULT '',
  "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "viewed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "stop_requested_at" TIMESTAMPTZ(3),
  "ended_at" TIMESTAMPTZ(3),
  "owner" TEXT,
  "expires_at" TIMESTAMPTZ(3),
  CONSTRAINT "services_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "services_project_id_id_idx" ON "services"("project_id", "id");
CREATE INDEX "services_ended_at_expires_at_idx" ON "services"("ended_at", "expires_at");

CREATE TABLE "preview_tickets" (
  "hash" TEXT NOT NULL,
  "service_id" TEXT NOT NULL,
  "expires_at" TIMESTAMPTZ(3) NOT NULL,
  CONSTRAINT "preview_tickets_pkey" PRIMARY KEY ("hash")
);
