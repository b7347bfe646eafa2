-- Creates or replaces a credential profile.
create function postern_control.profile_put_1(
    p_organization text, p_id text, p_provider text, p_agent text, p_user text, p_auth_type text, p_secret_ref text,
    p_disabled boolean)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    insert into postern.auth_profiles as p
        (organization_id, id, provider_id, agent_id, user_id, auth_type, secret_ref, disabled_at)
    values (p_organization, p_id, p_provider, p_agent, p_user, p_auth_type, p_secret_ref,
        case when p_disabled then now() end)
    on conflict (organization_id, id) do update
    set provider_id = excluded.provider_id, agent_id = excluded.agent_id, user_id = excluded.user_id,
        auth_type = excluded.auth_type, secret_ref = excluded.secret_ref,
        disabled_at = case when p_disabled then coalesce(p.disabled_at, now()) end;
end $$;
