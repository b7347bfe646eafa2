-- Why a worker token is no longer valid: a name, or null if it is valid or no token was presented. A token that was
-- issued at the very time of a revocation is revoked.
create function postern.token_1(
    p_organization text, p_agent text, p_jti text, p_issued_at float8, p_deployment text)
returns table (token text)
language sql stable
begin atomic
select case
    when p_jti is null then null
    when exists (
            select from postern.revoked_tokens r
            where r.organization_id = p_organization and r.jti = p_jti
        )
        -- Compared outside, so that the key finds the row and no index of times does.
        or (
            select d.revoked_at
            from postern.deployment_revocations d
            where d.organization_id = p_organization and d.deployment_name = p_deployment
        ) >= to_timestamp(p_issued_at) then 'revoked'
    else (
        select case
            when bool_and(a.created_at <= to_timestamp(p_issued_at) + interval '30 seconds') then null
            when count(*) = 0 then 'no_agent'
            else 'older_than_its_agent'
        end
        from postern.agents a
        where a.organization_id = p_organization and a.id = p_agent
    )
end;
end;
