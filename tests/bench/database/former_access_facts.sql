-- The baseline of `database.rs`, as the store sent it before SQL functions were the only door: one statement from a
-- login with rights on the tables, without row-level security.
with presented as (
    select p.organization_id, p.agent_id, p.user_id, p.secret_ref, p.deployment_name, p.allowed_hosts,
        p.expires_at > now() as live
    from placeholders p
    where p.token_hash = any($3) and ($1::text is null or p.organization_id = $1)
), scope as (
    select
        coalesce($1, (select min(organization_id) from presented where live)) as organization_id,
        coalesce($2::text, $4::text, (select min(agent_id) from presented)) as agent_id
)
select
    exists (select from agents a where a.organization_id = s.organization_id and a.id = s.agent_id) as agent_exists,
    (
    case
        when $5::text is null then null
        when exists (select from revoked_tokens r where r.organization_id = $1 and r.jti = $5)
            or exists (
                select from deployment_revocations d
                where d.organization_id = $1 and d.deployment_name = $7
                    and d.revoked_at >= to_timestamp($6)
            ) then 'revoked'
        else (
            select case when bool_and(a.created_at <= to_timestamp($6) + interval '30 seconds') then null
                when count(*) = 0 then 'no_agent' else 'older_than_its_agent' end
            from agents a
            where a.organization_id = $1 and a.id = $4
        )
    end
) as token,
    exists (
        select from organizations o where o.id = s.organization_id and $8 = any(o.system_providers)
    ) as system_entitled,
    coalesce((select jsonb_agg(to_jsonb(p)) from presented p), '[]') as placeholders,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'agent_id', f.agent_id, 'user_id', f.user_id, 'auth_type', f.auth_type, 'secret_ref', f.secret_ref
        ) order by f.created_at desc, f.id)
        from auth_profiles f
        where f.organization_id = s.organization_id and f.provider_id = $8 and f.disabled_at is null
            and (f.agent_id is null or f.agent_id = s.agent_id)
            and (f.user_id is null or f.user_id = $9)
    ), '[]') as profiles,
    coalesce((
        select jsonb_agg(jsonb_build_object(
            'own', e.agent_id is not null, 'observe', e.observe, 'hash', encode(e.rules_hash, 'hex'),
            'rules', case when not e.rules_hash = any($10) then e.rules end
        ))
        from egress_policies e
        where e.organization_id = s.organization_id and (e.agent_id is null or e.agent_id = s.agent_id)
    ), '[]') as policies,
    (
        select jsonb_build_object('denied', g.denied, 'expires_at', g.expires_at)
        from grants g
        where g.organization_id = s.organization_id and g.agent_id = s.agent_id and g.pattern = $11
            and (g.expires_at is null or g.expires_at > now())
    ) as standing
from scope s
