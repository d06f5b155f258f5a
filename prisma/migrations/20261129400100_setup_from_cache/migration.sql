-- Whether the last set-up of a project took what an earlier one had installed, in place of running the installers.
ALTER TABLE "setups" ADD COLUMN "from_cache" BOOLEAN NOT NULL DEFAULT false;
