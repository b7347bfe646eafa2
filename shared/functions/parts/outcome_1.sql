-- The JSON body that tells an agent's callback address how an interaction ended.
create function postern.outcome_1(p_id text, p_status text, p_answer jsonb) returns jsonb
language sql stable
return jsonb_build_object(
    'type', 'interaction.' || p_status,
    'timestamp', postern.rfc3339_1(now()),
    'data', jsonb_strip_nulls(jsonb_build_object('id', p_id, 'status', p_status, 'answer', p_answer))
);
