-- The hot path: everything that is needed to admit a proxied request. The token's organization scopes every read.
-- Without a token, the organization of the presented placeholders does: a placeholder proves its organization.
-- Policies whose hash is in `p_known` come without their rules. Profiles come in no order. If a slug is given, the
-- provider is the organization's own, and so are its id and its host.
-- The rows of sealed secrets are read only if a ref names one, since a new session plans a statement when it first runs.
--
-- It repeats what `token_1`, `policies_1` and `standing_1` say, because a new session takes 0.3 ms to unfold those.
create function postern_proxy.access_facts_1(
    p_organization text, p_url_agent text, p_placeholders bytea[], p_token_agent text, p_jti text, p_issued_at float8,
    p_deployment text, p_slug text, p_provider text, p_user text, p_known bytea[], p_pattern text)
returns table (agent_exists boolean, token text, system_entitled boolean, placeholders jsonb, profiles jsonb,
    policies jsonb, standing jsonb, provider jsonb, sealed jsonb)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_organization text :=
        coalesce(p_organization, postern_finder.organization_of_placeholders_1(p_placeholders));
    v_token text;
    v_own jsonb;
    v_provider text := p_provider;
    v_pattern text := p_pattern;
begin
    -- Without an organization, only rows from before organizations were recorded are seen.
    perform set_config('postern.organization', coalesce(v_organization, ''), true);
    if p_jti is not null then
        v_token := case
            when exists (
                    select from postern.revoked_tokens r
                    where r.organization_id = v_organization and r.jti = p_jti
                )
                -- Compared outside, so that the key finds the row and no index of times does.
                or (
                    select d.revoked_at
                    from postern.deployment_revocations d
                    where d.organization_id = v_organization and d.deployment_name = p_deployment
                ) >= to_timestamp(p_issued_at) then 'revoked'
            else (
                select case
                    when bool_and(a.created_at <= to_timestamp(p_issued_at) + interval '30 seconds') then null
                    when count(*) = 0 then 'no_agent'
                    else 'older_than_its_agent'
                end
                from postern.agents a
                where a.organization_id = v_organization and a.id = p_token_agent
            )
        end;
    end if;
    if p_slug is not null then
        select
            jsonb_build_object('slug', w.slug, 'provider_id', w.provider_id, 'base_url', w.base_url, 'host', w.host,
                'auth', w.auth, 'oauth_auth', w.oauth_auth, 'options', w.options),
            w.provider_id, 'host:' || w.host
        into v_own, v_provider, v_pattern
        from postern.providers w
        where w.organization_id = v_organization and w.slug = p_slug;
        -- No profile is for this one. A null would let all of the organization's be read.
        v_provider := coalesce(v_provider, '');
    end if;
    with presented as materialized (
        select p.organization_id, p.agent_id, p.user_id, p.secret_ref, p.deployment_name, p.allowed_hosts,
            p.expires_at > now() as live
        from postern.placeholders p
        where p.token_hash = any (p_placeholders) and p.organization_id is not distinct from v_organization
    ), scope as materialized (
        select coalesce(p_url_agent, p_token_agent, (select min(agent_id) from presented)) as agent_id
    )
    select
        exists (select from postern.agents a where a.organization_id = v_organization and a.id = s.agent_id),
        v_token,
        exists (
            select from postern.organizations o
            where o.id = v_organization and p_provider = any (o.system_providers)
        ),
        coalesce((select jsonb_agg(to_jsonb(p)) from presented p), '[]'),
        coalesce((
            select jsonb_agg(jsonb_build_object(
                'id', f.id, 'created_at', f.created_at, 'agent_id', f.agent_id, 'user_id', f.user_id,
                'auth_type', f.auth_type, 'secret_ref', f.secret_ref
            ))
            from postern.auth_profiles f
            where f.organization_id = v_organization and f.provider_id = v_provider and f.disabled_at is null
                and (f.agent_id is null or f.agent_id = s.agent_id)
                and (f.user_id is null or f.user_id = p_user)
        ), '[]'),
        coalesce((
            select jsonb_agg(jsonb_build_object(
                'own', e.agent_id is not null,
                'observe', e.observe,
                'hash', encode(e.rules_hash, 'hex'),
                'rules', case when not e.rules_hash = any (p_known) then e.rules end
            ))
            from postern.egress_policies e
            where e.organization_id = v_organization and (e.agent_id is null or e.agent_id = s.agent_id)
        ), '[]'),
        (
            select jsonb_build_object('denied', g.denied, 'expires_at', g.expires_at)
            from postern.grants g
            where g.organization_id = v_organization and g.agent_id = s.agent_id and g.pattern = v_pattern
                and (g.expires_at is null or g.expires_at > now())
        ),
        v_own
    into agent_exists, token, system_entitled, placeholders, profiles, policies, standing, provider
    from scope s;
    if strpos(placeholders::text || profiles::text, '"sealed:') > 0 then
        select jsonb_agg(jsonb_build_object(
            'organization_id', z.organization_id, 'name', z.name, 'version', z.version, 'key_id', z.key_id,
            'sealed', encode(z.sealed, 'hex')
        ))
        into sealed
        from postern.sealed_secrets z
        where z.organization_id = v_organization and z.name = any (array(
            select split_part(substr(r ->> 'secret_ref', 8), '#', 1)
            from jsonb_array_elements(placeholders || profiles) r
            where r ->> 'secret_ref' like 'sealed:%'
        ));
    end if;
    return next;
end $$;
