-- Creates an organization, or updates it. If `p_system_providers` is null, those of an existing one are kept.
create function postern_control.organization_put_1(
    p_organization text, p_system_providers text[])
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    insert into postern.organizations as o (id, system_providers)
    values (p_organization, coalesce(p_system_providers, '{}'))
    on conflict (id) do update set system_providers = coalesce(p_system_providers, o.system_providers);
end $$;
