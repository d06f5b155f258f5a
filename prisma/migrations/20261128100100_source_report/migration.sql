-- What became of a project's source when its files were brought in: counts, what was left out, the commit.
ALTER TABLE "projects" ADD COLUMN "source_report" TEXT;
