-- The grant of a pattern for a worker's agent, and whether its token is still valid.
create function postern_webhooks.grant_standing_1(
    p_organization text, p_agent text, p_pattern text, p_jti text, p_issued_at float8, p_deployment text)
returns table (token text, standing jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    select t.token, g.standing
    from postern.token_1(p_organization, p_agent, p_jti, p_issued_at, p_deployment) t
    cross join postern.standing_1(p_organization, p_agent, p_pattern) g;
end $$;
