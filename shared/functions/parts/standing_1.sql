-- The grant or denial of a pattern for an agent, as JSON, or null. One that has expired does not count.
create function postern.standing_1(p_organization text, p_agent text, p_pattern text)
returns table (standing jsonb)
language sql stable
begin atomic
select (
    select jsonb_build_object('denied', g.denied, 'expires_at', g.expires_at)
    from postern.grants g
    where g.organization_id = p_organization and g.agent_id = p_agent and g.pattern = p_pattern
        and (g.expires_at is null or g.expires_at > now())
);
end;
