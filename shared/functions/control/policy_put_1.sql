-- Creates or replaces the egress policy of an agent or, if that is null, of the whole organization.
create function postern_control.policy_put_1(
    p_organization text, p_agent text, p_rules jsonb, p_observe boolean)
returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    perform set_config('postern.organization', coalesce(p_organization, ''), true);
    if p_agent is null then
        insert into postern.egress_policies as e (organization_id, agent_id, rules, observe)
        values (p_organization, p_agent, p_rules, p_observe)
        on conflict (organization_id) where agent_id is null do update
        set rules = excluded.rules, observe = excluded.observe, updated_at = now()
        where (e.rules, e.observe) is distinct from (excluded.rules, excluded.observe);
    else
        insert into postern.egress_policies as e (organization_id, agent_id, rules, observe)
        values (p_organization, p_agent, p_rules, p_observe)
        on conflict (organization_id, agent_id) where agent_id is not null do update
        set rules = excluded.rules, observe = excluded.observe, updated_at = now()
        where (e.rules, e.observe) is distinct from (excluded.rules, excluded.observe);
    end if;
end $$;
