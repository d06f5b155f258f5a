-- What a set-up under way is made of, decided once, so that whoever goes on after a crash runs the same commands under the same
-- ids; and which activity ended the last one, so that its repeat does nothing.
ALTER TABLE "setups" ADD COLUMN "plan" TEXT;
ALTER TABLE "setups" ADD COLUMN "ended_by" TEXT;
