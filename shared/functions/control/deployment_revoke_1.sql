-- Deletes a deployment's placeholders and revokes all worker tokens issued to it until now.
create function postern_control.deployment_revoke_1(
    p_organization text, p_deployment text)
returns table (revoked bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    return query
    with gone as (
        delete from postern.placeholders p
        where p.organization_id = p_organization and p.deployment_name = p_deployment
        returning 1
    ), remembered as (
        insert into postern.deployment_revocations as d (organization_id, deployment_name, revoked_at)
        values (p_organization, p_deployment, clock_timestamp())
        on conflict (organization_id, deployment_name) do update
        set revoked_at = greatest(d.revoked_at, excluded.revoked_at)
    )
    select count(*) from gone;
end $$;
