-- Attempts of all tasks of a project are numbered together, so that its sandbox can tell which of two is the older one.
ALTER TABLE "projects" ADD COLUMN "lease" INTEGER NOT NULL DEFAULT 0;
UPDATE "projects" p SET "lease" = coalesce((SELECT max(t."lease") FROM "tasks" t WHERE t."project_id" = p."id"), 0);
