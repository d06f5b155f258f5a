-- JSON: what is missing for `verified`, each with its reason.
ALTER TABLE "tasks" ADD COLUMN "evidence_gaps" TEXT;
