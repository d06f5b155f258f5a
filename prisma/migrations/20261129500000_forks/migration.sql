-- A publication may go to the own fork of the token's owner, "owner/name" once it is known.
ALTER TABLE "publications" ADD COLUMN "wants_fork" BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE "publications" ADD COLUMN "fork" TEXT;
