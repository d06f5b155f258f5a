-- What a published commit was made on top of, so that a sync in between becomes a merge.
ALTER TABLE "publications" ADD COLUMN "base_commit" TEXT;
ALTER TABLE "publications" ADD COLUMN "merged" TEXT;
