-- The egress policies that apply to an agent, as a JSON list. If the agent is null, only the organization's applies.
-- Policies whose hash is in `p_known` come without their rules.
create function postern.policies_1(p_organization text, p_agent text, p_known bytea[])
returns table (policies jsonb)
language sql stable
begin atomic
select coalesce(jsonb_agg(jsonb_build_object(
    'own', e.agent_id is not null,
    'observe', e.observe,
    'hash', encode(e.rules_hash, 'hex'),
    'rules', case when not e.rules_hash = any (p_known) then e.rules end
)), '[]')
from postern.egress_policies e
where e.organization_id = p_organization and (e.agent_id is null or e.agent_id = p_agent);
end;
