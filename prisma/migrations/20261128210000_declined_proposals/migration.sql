-- Proposals for a project's review criteria that a person declined, by their ids.
CREATE TABLE "declined_proposals" (
    "project_id" TEXT NOT NULL,
    "proposal_id" TEXT NOT NULL,
    "declined_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "declined_proposals_pkey" PRIMARY KEY ("project_id","proposal_id")
);
