-- The status of an interaction of a worker's agent, and whether its token is still valid.
create function postern_webhooks.interaction_status_1(
    p_organization text, p_id text, p_agent text, p_ttl_ms float8, p_jti text, p_issued_at float8, p_deployment text)
returns table (token text, stands boolean, created_at timestamptz, expires_at timestamptz, claimed boolean,
    answer jsonb, past boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select t.token, i.id is not null, i.created_at, i.created_at + p_ttl_ms * interval '1 millisecond',
        i.claimed_at is not null, i.answer, i.created_at <= now() - p_ttl_ms * interval '1 millisecond'
    from postern.token_1(p_organization, p_agent, p_jti, p_issued_at, p_deployment) t
    left join postern.pending_interactions i
        on i.organization_id = p_organization and i.id = p_id and i.agent_id = p_agent;
end $$;
