-- A call of each function of the store. The line above it names the indexes that its statements use: all of them, and
-- no others. Those by which Postgres checks foreign keys are left out.

-- placeholders_pkey
select * from postern_finder.organization_of_placeholders_1(array[sha256('777777'), sha256('150000')]);

-- agents_pkey auth_profiles_by_user egress_policies_of_agent egress_policies_of_organization grants_pkey
-- organizations_pkey placeholders_pkey
select * from postern_proxy.access_facts_1(
    null, 'a-3', array[sha256('149020')], null, null, null, null, null, 'openai', 'u-3030', '{}', 'host:h-7');

-- agents_pkey auth_profiles_by_user deployment_revocations_pkey egress_policies_of_agent
-- egress_policies_of_organization grants_pkey organizations_pkey placeholders_pkey revoked_tokens_pkey
select * from postern_proxy.access_facts_1(
    'o-1', null, '{}', 'a-3', 'j-1', extract(epoch from now()), 'd-9', null, 'openai', 'u-3030', '{}',
    'host:h-7');

-- agents_pkey auth_profiles_by_user deployment_revocations_pkey egress_policies_of_agent
-- egress_policies_of_organization grants_pkey organizations_pkey placeholders_pkey providers_pkey revoked_tokens_pkey
select * from postern_proxy.access_facts_1(
    'o-1', null, '{}', 'a-3', 'j-1', extract(epoch from now()), 'd-9', 'w-70', null, 'u-3030', '{}', null);

-- agents_pkey auth_profiles_by_user egress_policies_of_agent egress_policies_of_organization grants_pkey
-- organizations_pkey placeholders_pkey sealed_secrets_pkey
select * from postern_proxy.access_facts_1(
    'o-1', 'a-3', array[sha256('149020')], null, null, null, null, null, 'sealed', 'u-3030', '{}', 'host:h-7');

-- sealed_secrets_pkey
select * from postern_proxy.sealed_secret_1('o-1', 'keys/k-1000');

-- agents_pkey deployment_revocations_pkey egress_policies_of_agent egress_policies_of_organization grants_pkey
-- providers_pkey revoked_tokens_pkey
select * from postern_proxy.policy_facts_1('o-1', 'a-3', '{}', 'host:h-7', 'j-1', extract(epoch from now()), 'd-9');

-- connections_of_organization pending_interactions_open pending_interactions_pkey
select * from postern_proxy.approval_open_1(
    'o-1', 'egress.1', 'c-1-o-1', 'u-1', 'a-3', '{"kind": "approval", "tool": "host:x"}', 86400000, 'x', 'r', 1000);

-- pending_interactions_pkey
select * from postern_proxy.interaction_posted_1('o-1', 'egress.2', 'c-1-o-1', 'u-1', 'r', null, true);

-- pending_interactions_pkey
select * from postern_proxy.interaction_put_off_1('o-1', 'egress.2', 'c-1-o-1', 'u-1', 'r', 1000, false, false);

-- chat_turns_pkey
select * from postern_proxy.chat_turn_1('o-1', 'c-1-o-1', 'C10', 1000, '{1000,0}', '{4000,250}', '{5,50}');

-- none
select * from postern_proxy.chat_pause_1('o-1', 'c-1-o-1', 'C10', 1000);

-- pending_interactions_pkey
select * from postern_proxy.interaction_delete_1('o-1', 'egress.2', 'c-1-o-1', 'u-1', 'r');

-- egress_verdicts_pkey
select * from postern_proxy.verdict_claim_1('o-1', sha256('new'), gen_random_uuid(), 1000);

-- egress_verdicts_pkey
select * from postern_proxy.verdict_settle_1('o-1', sha256('10'), gen_random_uuid(), 'allow', 1000);

-- egress_verdicts_pkey
select * from postern_proxy.verdict_of_flight_1('o-1', sha256('10'), gen_random_uuid());

-- connections_pkey
select * from postern_webhooks.connection_claimed_1('c-1-o-1');

-- agents_pkey connections_of_organization deployment_revocations_pkey pending_interactions_open
-- pending_interactions_pkey revoked_tokens_pkey
select * from postern_webhooks.interaction_store_1(
    'o-1', 'new', 'c-1-o-1', 'u-1', 'a-3', '{"kind": "question", "options": []}', 86400000, null, 'r', 1000,
    'j-1', extract(epoch from now()), 'd-9');

-- pending_interactions_pkey
select * from postern_webhooks.interaction_posted_1('o-1', 'q-30', 'c-1-o-1', 'u-1', 'r-30', null, true);

-- pending_interactions_pkey
select * from postern_webhooks.interaction_put_off_1('o-1', 'q-210', 'c-1-o-1', 'u-1', 'r-210', 1000, false, false);

-- chat_turns_pkey
select * from postern_webhooks.chat_turn_1('o-1', 'c-1-o-1', 'C10', 1000, '{1000,0}', '{4000,250}', '{5,50}');

-- none
select * from postern_webhooks.chat_pause_1('o-1', 'c-1-o-1', 'C10', 1000);

-- pending_interactions_pkey
select * from postern_webhooks.interaction_delete_1('o-1', 'q-30', 'c-1-o-1', 'u-1', null);

-- agents_pkey deployment_revocations_pkey pending_interactions_pkey revoked_tokens_pkey
select * from postern_webhooks.interaction_status_1(
    'o-1', 'q-30', 'a-4', 86400000, 'j-1', extract(epoch from now()), 'd-9');

-- agents_pkey connections_of_organization deployment_revocations_pkey pending_interactions_pkey revoked_tokens_pkey
select * from postern_webhooks.interaction_withdraw_1(
    'o-1', 'q-30', 'c-1-o-1', 'u-1', 'a-4', 86400000, 1000, 'j-1', extract(epoch from now()), 'd-9');

-- pending_interactions_pkey
select * from postern_webhooks.interaction_claim_1(
    'o-1', 'q-30', 'c-1-o-1', 'u-1', 86400000, 'r-30', 0, 'x', '{"channel": "C1", "message": "1"}', 1000);

-- pending_interactions_pkey
select * from postern_webhooks.interaction_claim_1(
    'o-1', 'approval', 'c-1-o-1', 'u-1', 86400000, 'r-1', 0, 'x', null, 1000);

-- ended_interactions_pkey pending_interactions_pkey
select * from postern_webhooks.interaction_missed_1('o-1', 'q-30', 'c-1-o-1', 'u-1', 'x', 'r-30', null, 86400000);

-- pending_interactions_pkey
select * from postern_webhooks.interaction_settled_1('o-1', 'q-10', 'c-1-o-1', 'u-1', '{card}', 0);

-- deliveries_pkey
select * from postern_webhooks.delivery_done_1('o-1', 'msg_110');

-- deliveries_pkey
select * from postern_webhooks.delivery_failed_1('o-1', 'msg_110', 1000, 1000);

-- deliveries_pkey
select * from postern_webhooks.delivery_given_up_1('o-1', 'msg_110');

-- agents_pkey deployment_revocations_pkey grants_pkey revoked_tokens_pkey
select * from postern_webhooks.grant_standing_1('o-1', 'a-3', 'host:h-7', 'j-1', extract(epoch from now()), 'd-9');

-- egress_policies_of_agent egress_policies_of_organization
select * from postern_webhooks.policies_1('o-1', 'a-3', '{}');

-- agents_pkey deployment_revocations_pkey egress_policies_of_agent egress_policies_of_organization grants_pkey
-- revoked_tokens_pkey
select * from postern_webhooks.policy_facts_1('o-1', 'a-3', '{}', 'host:h-7', 'j-1', extract(epoch from now()), 'd-9');

-- sealed_secrets_pkey
select * from postern_webhooks.sealed_secret_1('o-1', 'chat/k-1000');

-- sealed_secrets_pkey
select * from postern_sweep.sealed_secret_1('o-1', 'chat/k-1000');

-- pending_interactions_pkey
select * from postern_sweep.interaction_posted_1('o-1', 'q-210', 'c-1-o-1', 'u-1', 'r-210', null, true);

-- pending_interactions_pkey
select * from postern_sweep.interaction_put_off_1('o-1', 'q-210', 'c-1-o-1', 'u-1', 'r-210', 1000, false, false);

-- chat_turns_pkey
select * from postern_sweep.chat_turn_1('o-1', 'c-1-o-1', 'C10', 1000, '{1000,0}', '{4000,250}', '{5,50}');

-- none
select * from postern_sweep.chat_pause_1('o-1', 'c-1-o-1', 'C10', 1000);

-- pending_interactions_pkey
select * from postern_sweep.interaction_delete_1('o-1', 'q-420', 'c-1-o-1', 'u-1', 'r-420');

-- pending_interactions_pkey
select * from postern_sweep.interaction_settled_1('o-1', 'q-10', 'c-1-o-1', 'u-1', '{card}', 0);

-- deliveries_pkey
select * from postern_sweep.delivery_done_1('o-1', 'msg_110');

-- deliveries_pkey
select * from postern_sweep.delivery_failed_1('o-1', 'msg_110', 1000, 1000);

-- deliveries_pkey
select * from postern_sweep.delivery_given_up_1('o-1', 'msg_110');

-- egress_policies_of_agent egress_policies_of_organization
select * from postern_sweep.policies_1('o-1', 'a-3', '{}');

-- pending_interactions_by_age
select * from postern_sweep.delete_pending_interactions_1(1000, 86400000);

-- placeholders_by_expiry
select * from postern_sweep.delete_placeholders_1(1000);

-- grants_by_expiry
select * from postern_sweep.delete_grants_1(1000);

-- deliveries_by_age
select * from postern_sweep.delete_deliveries_1(1000);

-- revoked_tokens_by_expiry
select * from postern_sweep.delete_revoked_tokens_1(1000);

-- deployment_revocations_by_age
select * from postern_sweep.delete_deployment_revocations_1(1000);

-- ended_interactions_by_age
select * from postern_sweep.delete_ended_interactions_1(1000);

-- egress_verdicts_by_expiry
select * from postern_sweep.delete_egress_verdicts_1(1000);

-- chat_turns_by_age
select * from postern_sweep.delete_chat_turns_1(1000);

-- pending_interactions_by_age
select * from postern_sweep.oldest_age_1();

-- deliveries_due deliveries_pkey
select * from postern_sweep.deliveries_due_1(50, 4, 4, 60000, '{}', '{}');

-- connections_of_organization pending_interactions_unsettled
select * from postern_sweep.interactions_unsettled_1(50, 4, '{}');

-- connections_of_organization pending_interactions_unposted
select * from postern_sweep.interactions_unposted_1(50, 4, '{}', 86400000, 60000);

-- none
select * from postern_control.organization_put_1('o-1', '{}');

-- none
select * from postern_control.agent_put_1('o-1', 'new');

-- none
select * from postern_control.connection_put_1('o-1', 'new', 'slack', 'x', '{}');

-- placeholders_by_deployment
select * from postern_control.deployment_revoke_1('o-1', 'd-9');

-- grants_pkey
select * from postern_control.grant_delete_1('o-1', 'a-2', 'host:h-10');

-- grants_pkey
select * from postern_control.grant_list_1('o-1', '{a-2,host:h-10}', 101);

-- grants_pkey
select * from postern_control.grant_get_1('o-1', 'a-2', 'host:h-10');

-- organizations_pkey
select * from postern_control.organization_list_1('{o-1}', 101);

-- organizations_pkey
select * from postern_control.organization_get_1('o-1');

-- agents_pkey deliveries_by_agent ended_interactions_by_connection pending_interactions_by_agent placeholders_by_agent
-- sealed_secrets_pkey
select * from postern_control.organization_empty_1('o-1', 1000);

-- organizations_pkey
select * from postern_control.organization_delete_1('o-idle');

-- agents_pkey
select * from postern_control.agent_list_1('o-1', '{a-3}', 101);

-- agents_pkey
select * from postern_control.agent_get_1('o-1', 'a-3');

-- deliveries_by_agent pending_interactions_by_agent placeholders_by_agent
select * from postern_control.agent_empty_1('o-1', 'a-3', 1000);

-- agents_pkey
select * from postern_control.agent_delete_1('o-1', 'idle');

-- connections_of_organization
select * from postern_control.connection_list_1('o-1', null, 101);

-- connections_of_organization
select * from postern_control.connection_get_1('o-1', 'c-1-o-1');

-- ended_interactions_by_connection pending_interactions_by_connection
select * from postern_control.connection_empty_1('o-1', 'c-1-o-1', 1000);

-- connections_of_organization
select * from postern_control.connection_delete_1('o-1', 'idle-o-1');

-- auth_profiles_pkey
select * from postern_control.profile_list_1('o-1', '{p-3030}', 101);

-- auth_profiles_pkey
select * from postern_control.profile_get_1('o-1', 'p-3030');

-- auth_profiles_pkey
select * from postern_control.profile_delete_1('o-1', 'p-3030');

-- providers_pkey
select * from postern_control.provider_list_1('o-1', '{w-100}', 101);

-- providers_pkey
select * from postern_control.provider_get_1('o-1', 'w-100');

-- providers_pkey
select * from postern_control.provider_delete_1('o-1', 'w-100');

-- egress_policies_of_agent egress_policies_of_organization
select * from postern_control.policy_list_1('o-1', null, 101);

-- egress_policies_of_agent egress_policies_of_organization
select * from postern_control.policy_get_1('o-1', 'a-3');

-- placeholders_by_id
select * from postern_control.placeholder_list_1('o-1', '{7fffffff-0000-0000-0000-000000000000}', 101);

-- placeholders_by_id placeholders_pkey
select * from postern_control.placeholder_get_1('o-1', gen_random_uuid()::text, null);

-- placeholders_by_id placeholders_pkey
select * from postern_control.placeholder_delete_1('o-1', null, encode(sha256('150000'), 'hex'));

-- agents_pkey
select * from postern_control.placeholder_mint_1('o-1', 'a-3', sha256('new'), null, 'K', 'd', 60, null, '{}');

-- egress_policies_of_agent egress_policies_of_organization
select * from postern_control.policy_delete_1('o-1', 'a-3');

-- egress_policies_of_agent egress_policies_of_organization
select * from postern_control.policy_delete_1('o-1', null);

-- agents_pkey egress_policies_of_agent egress_policies_of_organization grants_pkey providers_pkey
select * from postern_control.policy_explain_1('o-1', 'a-3', 'host:h-7');

-- none
select * from postern_control.policy_put_1('o-1', 'a-3', '[]', false);

-- none
select * from postern_control.policy_put_1('o-1', null, '[]', false);

-- none
select * from postern_control.profile_put_1('o-1', 'new', 'openai', 'a-3', null, 'api_key', 'x', false);

-- providers_pkey
select * from postern_control.provider_put_1('o-1', 'new', 'openai', 'https://x.example', '{}', null, '{}', 200);

-- agents_pkey deployment_revocations_pkey
select * from postern_control.token_issue_time_1('o-1', 'a-3', 'd-9');

-- none
select * from postern_control.token_revoke_1('o-1', 'new', now(), 1000);

-- sealed_secrets_pkey
select * from postern_control.sealed_secret_1('o-1', 'keys/k-1000');

-- none
select * from postern_control.sealed_secret_put_1('o-1', 'keys/new', null, 1, 'new', 'x');

-- sealed_secrets_pkey
select * from postern_control.sealed_secret_put_1('o-1', 'keys/k-1000', 1, 2, 'new', 'x');

-- sealed_secrets_pkey
select * from postern_control.secret_list_1('o-1', '{keys/}', 101);

-- sealed_secrets_pkey
select * from postern_control.secret_get_1('o-1', 'keys/k-1000');

-- sealed_secrets_pkey
select * from postern_control.secret_delete_1('o-1', 'keys/k-1000');

-- sealed_secrets_by_key
select * from postern_control.sealed_secrets_stale_1('now', '', '', '', 100);

-- sealed_secrets_by_key
select * from postern_control.sealed_secrets_stale_1('now', 'former', 'o-1', 'keys/k-1000', 100);
