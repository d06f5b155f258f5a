-- Summaries of tasks that held a message which the model refused told its words to later tasks. They are made anew, without
-- those, when a task needs them next.
DELETE FROM "task_summaries" WHERE "task_id" IN (SELECT "task_id" FROM "turns" WHERE "stop_reason" = 'refusal');
