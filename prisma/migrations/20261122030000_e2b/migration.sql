-- This installation's own name in places that it shares with others, such as the VMs of one E2B key.
CREATE TABLE "deployment" (
    "id" TEXT NOT NULL,
    "only_one" BOOLEAN NOT NULL DEFAULT true,

    CONSTRAINT "deployment_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "deployment_only_one" CHECK ("only_one")
);
CREATE UNIQUE INDEX "deployment_only_one_key" ON "deployment"("only_one");
INSERT INTO "deployment" ("id") VALUES (gen_random_uuid()::text);

-- Checkpoints of sandboxes that can be lost as a whole, as git packs; the newest row's last tree is the newest checkpoint.
CREATE TABLE "sandbox_checkpoints" (
    "id" BIGSERIAL NOT NULL,
    "project_id" TEXT NOT NULL,
    "trees" TEXT[] NOT NULL,
    "pack" BYTEA NOT NULL,
    "size_bytes" INTEGER NOT NULL,
    -- When the workspace was last seen to be exactly this.
    "confirmed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "sandbox_checkpoints_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "sandbox_checkpoints_project_id_id_idx" ON "sandbox_checkpoints"("project_id", "id");
-- Packs are compressed already.
ALTER TABLE "sandbox_checkpoints" ALTER COLUMN "pack" SET STORAGE EXTERNAL;

-- Sandboxes that were lost and made anew from a checkpoint, until people and model were told.
CREATE TABLE "sandbox_losses" (
    "project_id" TEXT NOT NULL,
    "generation" INTEGER NOT NULL,
    "provider" TEXT NOT NULL,
    "tree_hash" TEXT NOT NULL,
    "saved_at" TIMESTAMPTZ(3) NOT NULL,
    "lost_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "told_at" TIMESTAMPTZ(3),

    CONSTRAINT "sandbox_losses_pkey" PRIMARY KEY ("project_id","generation")
);
