-- The first of a turn's two writes as one statement: a whole reply with the calls it asks for, one of which may be noted
-- as started, and the events of both.

-- Locks a project and one of its tasks, in this order, and refuses an attempt that was replaced.
CREATE FUNCTION lock_attempt(p_project TEXT, p_task TEXT, p_lease INTEGER)
RETURNS VOID
LANGUAGE plpgsql AS $$
DECLARE
  held INTEGER;
BEGIN
  SELECT t.lease INTO held FROM projects p JOIN tasks t ON t.id = p_task
    WHERE p.id = p_project AND t.project_id = p.id FOR NO KEY UPDATE OF p, t;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no such task' USING ERRCODE = 'KE404';
  END IF;
  IF held <> p_lease THEN
    RAISE EXCEPTION 'another attempt has taken over' USING ERRCODE = 'KE409';
  END IF;
END
$$;

-- Stores a reply once and returns the new events, numbered. `p_reply`: columns of the turn as JSON; `p_calls`: an array of
-- {id, name, input}, in order; `p_started` and `p_effect`: the call that begins at once, or NULL.
CREATE FUNCTION store_reply(
  p_project TEXT, p_task TEXT, p_lease INTEGER, p_turn INTEGER, p_lane TEXT,
  p_reply JSON, p_calls JSON, p_started TEXT, p_effect TEXT, p_events JSON)
RETURNS TABLE (seq INTEGER, topic TEXT, type TEXT, task_id TEXT, data TEXT)
LANGUAGE plpgsql AS $$
DECLARE
  stored RECORD;
  inserted INTEGER;
BEGIN
  PERFORM lock_attempt(p_project, p_task, p_lease);
  UPDATE turns u SET reply_content = r.content, stop_reason = r.stop_reason, input_tokens = r.input_tokens,
      output_tokens = r.output_tokens, cache_read_tokens = r.cache_read_tokens, cache_write_tokens = r.cache_write_tokens,
      cost_usd = r.cost_usd, model = r.model, first_token_ms = r.first_token_ms, duration_ms = r.duration_ms,
      replied_at = now()
    FROM json_to_record(p_reply) AS r(content TEXT, stop_reason TEXT, input_tokens INTEGER, output_tokens INTEGER,
      cache_read_tokens INTEGER, cache_write_tokens INTEGER, cost_usd DOUBLE PRECISION, model TEXT,
      first_token_ms INTEGER, duration_ms INTEGER)
    WHERE u.task_id = p_task AND u.turn = p_turn AND u.reply_content IS NULL
    RETURNING u.message_id, u.input_tokens, u.output_tokens, u.cache_read_tokens, u.cache_write_tokens, u.cost_usd
    INTO stored;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this turn has a reply already' USING ERRCODE = 'KE410';
  END IF;
  UPDATE messages m SET text = p_reply ->> 'text', status = 'completed' WHERE m.id = stored.message_id;
  UPDATE tasks t SET input_tokens = t.input_tokens + stored.input_tokens,
      output_tokens = t.output_tokens + stored.output_tokens,
      cache_read_tokens = t.cache_read_tokens + stored.cache_read_tokens,
      cache_write_tokens = t.cache_write_tokens + stored.cache_write_tokens,
      cost_usd = t.cost_usd + coalesce(stored.cost_usd, 0),
      unpriced_calls = t.unpriced_calls + (CASE WHEN stored.cost_usd IS NULL THEN 1 ELSE 0 END)
    WHERE t.id = p_task;
  IF json_array_length(p_calls) > 0 THEN
    INSERT INTO tool_calls (task_id, tool_use_id, turn, ordinal, lane, name, input, status, effect, started_at)
      SELECT p_task, c.call ->> 'id', p_turn, c.ordinal, p_lane, c.call ->> 'name', c.call ->> 'input',
        CASE WHEN c.call ->> 'id' = p_started THEN 'started' ELSE 'requested' END,
        CASE WHEN c.call ->> 'id' = p_started THEN p_effect END,
        CASE WHEN c.call ->> 'id' = p_started THEN now() END
      FROM json_array_elements(p_calls) WITH ORDINALITY AS c(call, ordinal)
      ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS inserted = ROW_COUNT;
    IF inserted < json_array_length(p_calls) THEN
      RAISE EXCEPTION 'two calls of this task have one id' USING ERRCODE = 'KE411';
    END IF;
  END IF;
  RETURN QUERY SELECT a.seq, a.topic, a.type, a.task_id, a.data FROM append_events(p_project, p_events) a;
END
$$;
