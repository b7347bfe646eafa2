-- Who may see what. No login has a right on a table: each function of Postern calls the SQL functions of its own
-- schema. Those run as the roles below, which see the one organization that the SQL function declared.
--
-- Roles belong to the server and not to the database, so several databases may be migrated at the same time.

do $$
declare
    v_role text;
begin
    foreach v_role in array array[
        -- Groups for logins. They may call the SQL functions of the schema of their name.
        'postern_proxy', 'postern_webhooks', 'postern_sweep', 'postern_control',
        -- Owners of those functions. They see the rows of the declared organization.
        'postern_proxy_owner', 'postern_webhooks_owner', 'postern_sweep_owner', 'postern_control_owner',
        -- Owners of the few functions that see rows of all organizations. `finder` finds whose a placeholder or a
        -- connection is, and lists organizations, `remover` deletes what is stale, `courier` leases what is due.
        'postern_finder', 'postern_remover', 'postern_courier'
    ] loop
        begin
            if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
                execute format('create role %I nologin', v_role);
            end if;
        exception
            -- Another database's migration has just created it.
            when duplicate_object or unique_violation then null;
        end;
    end loop;
end $$;

-- ---- Row-level security, also for the tables' owner ----

do $$
declare
    v_table text;
begin
    foreach v_table in array array[
        'organizations', 'agents', 'placeholders', 'auth_profiles', 'sealed_secrets', 'providers', 'revoked_tokens',
        'deployment_revocations', 'egress_policies', 'egress_verdicts', 'grants', 'connections',
        'pending_interactions', 'chat_turns', 'ended_interactions', 'deliveries'
    ] loop
        execute format('alter table postern.%I enable row level security, force row level security', v_table);
    end loop;
end $$;

-- A function declares its organization in the setting `postern.organization`, for its own transaction. If nothing
-- is declared, the setting is null or empty, and no organization has an empty id.

create policy tenant on postern.organizations to postern_proxy_owner, postern_control_owner
    using (id = current_setting('postern.organization', true))
    with check (id = current_setting('postern.organization', true));
create policy tenant on postern.agents to postern_proxy_owner, postern_webhooks_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.placeholders to postern_proxy_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.auth_profiles to postern_proxy_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.sealed_secrets to postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.providers to postern_proxy_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.revoked_tokens to postern_proxy_owner, postern_webhooks_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.deployment_revocations
    to postern_proxy_owner, postern_webhooks_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.egress_policies
    to postern_proxy_owner, postern_webhooks_owner, postern_sweep_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.egress_verdicts to postern_proxy_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.grants to postern_proxy_owner, postern_webhooks_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.connections to postern_proxy_owner, postern_webhooks_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.pending_interactions
    to postern_webhooks_owner, postern_sweep_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.chat_turns to postern_proxy_owner, postern_webhooks_owner, postern_sweep_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.ended_interactions to postern_webhooks_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));
create policy tenant on postern.deliveries to postern_webhooks_owner, postern_sweep_owner, postern_control_owner
    using (organization_id = current_setting('postern.organization', true))
    with check (organization_id = current_setting('postern.organization', true));

-- The proxy counts an agent's questions, but writes only the approvals that policies ask for.
create policy tenant_reads on postern.pending_interactions for select to postern_proxy_owner
    using (organization_id = current_setting('postern.organization', true));
create policy tenant_approvals on postern.pending_interactions to postern_proxy_owner
    using (organization_id = current_setting('postern.organization', true) and id like 'egress.%')
    with check (organization_id = current_setting('postern.organization', true) and id like 'egress.%');
-- The sweep deletes only an unanswered question whose card it could not post, or a policy's approval whose card has no
-- buttons, and adds only the outcome of that. These restrict the policies above.
create policy unposted on postern.pending_interactions as restrictive for delete to postern_sweep_owner
    using (claimed_at is null and (post_at is not null or id like 'egress.%'));
create policy expired on postern.deliveries as restrictive for insert to postern_sweep_owner
    with check (payload ->> 'type' = 'interaction.expired');
-- A row from before organizations were recorded is seen only if the proxy has declared the empty organization.
create policy legacy on postern.placeholders for select to postern_proxy_owner
    using (organization_id is null and current_setting('postern.organization', true) = '');

-- Each function reads the kinds of sealed secrets that it uses, as in Secrets Manager.
create policy tenant_spends on postern.sealed_secrets for select to postern_proxy_owner
    using (organization_id = current_setting('postern.organization', true)
        and (name like 'keys/%' or name like 'chat/%'));
create policy tenant_talks on postern.sealed_secrets for select to postern_webhooks_owner, postern_sweep_owner
    using (organization_id = current_setting('postern.organization', true)
        and (name like 'chat/%' or name = 'callback-signing'));

create policy finder on postern.organizations for select to postern_finder using (true);
create policy finder on postern.placeholders for select to postern_finder using (true);
create policy finder on postern.connections for select to postern_finder using (true);
create policy finder on postern.sealed_secrets for select to postern_finder using (true);

create policy courier on postern.organizations for select to postern_courier using (true);
create policy courier on postern.connections for select to postern_courier using (true);
create policy courier on postern.deliveries to postern_courier
    using (delivered_at is null and given_up_at is null);
create policy courier on postern.pending_interactions to postern_courier
    using (settle_at is not null or post_at is not null);

-- It locks rows, which Postgres counts as an update, and changes none.
create policy remover on postern.placeholders to postern_remover using (true) with check (false);
create policy remover on postern.grants to postern_remover using (true) with check (false);
create policy remover on postern.revoked_tokens to postern_remover using (true) with check (false);
create policy remover on postern.deployment_revocations to postern_remover using (true) with check (false);
create policy remover on postern.egress_verdicts to postern_remover using (true) with check (false);
create policy remover on postern.pending_interactions to postern_remover using (true) with check (false);
create policy remover on postern.deliveries to postern_remover using (true) with check (false);
create policy remover on postern.chat_turns to postern_remover using (true) with check (false);
-- An unanswered question leaves how it ended, and its delivery.
create policy remover on postern.ended_interactions to postern_remover using (true) with check (expired);
create policy remover_writes on postern.deliveries for insert to postern_remover
    with check (payload ->> 'type' = 'interaction.expired');

-- ---- Rights on tables, for the functions' owners alone ----

grant select (organization_id, name, version, key_id, sealed) on postern.sealed_secrets
    to postern_proxy_owner, postern_webhooks_owner, postern_sweep_owner;

grant usage on schema postern to postern_proxy_owner, postern_webhooks_owner, postern_sweep_owner,
    postern_control_owner, postern_finder, postern_remover, postern_courier;

grant select (id, system_providers) on postern.organizations to postern_proxy_owner;
grant select on postern.agents, postern.auth_profiles, postern.providers, postern.revoked_tokens,
    postern.deployment_revocations, postern.egress_policies, postern.grants, postern.connections to postern_proxy_owner;
grant select (token_hash, organization_id, agent_id, user_id, secret_ref, deployment_name, allowed_hosts, expires_at)
    on postern.placeholders to postern_proxy_owner;
grant select, insert, update on postern.egress_verdicts to postern_proxy_owner;
-- It never reads a question or an answer.
grant select (organization_id, id, connection_id, expected_user_id, agent_id, revision, created_at, stored_at,
        posted_at, card, claimed_at, post_at, post_attempts, post_doubtful),
    insert (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, digest, revision, post_at,
        post_begun),
    update (entry_payload, digest, revision, created_at, stored_at, posted_at, card, claimed_at, answer,
        claimed_click, unsettled, settle_at, post_at, post_attempts, post_unlisted, post_begun, post_doubtful),
    delete on postern.pending_interactions to postern_proxy_owner;
grant select, insert (organization_id, connection_id, channel, next_at), update (next_at, full_at)
    on postern.chat_turns to postern_proxy_owner, postern_webhooks_owner, postern_sweep_owner;

grant select on postern.agents, postern.revoked_tokens, postern.deployment_revocations, postern.egress_policies,
    postern.connections to postern_webhooks_owner;
grant select, insert, update on postern.grants, postern.ended_interactions to postern_webhooks_owner;
grant select, insert, update, delete on postern.pending_interactions to postern_webhooks_owner;
grant select (organization_id, id, url, payload, delivered_at), insert,
    update (next_attempt_at, delivered_at, given_up_at) on postern.deliveries to postern_webhooks_owner;

grant select on postern.egress_policies to postern_sweep_owner;
grant select (organization_id, id, delivered_at),
    insert (organization_id, id, agent_id, interaction_id, url, payload),
    update (next_attempt_at, delivered_at, given_up_at) on postern.deliveries to postern_sweep_owner;
-- It never reads a question or an answer: the courier hands it those that it posts and settles.
grant select (organization_id, id, connection_id, expected_user_id, agent_id, callback_url, revision, posted_at, card,
        claimed_at, unsettled, settle_at, post_attempts, post_doubtful),
    update (unsettled, settle_at, posted_at, card, post_at, post_attempts, post_unlisted, post_begun, post_doubtful),
    delete on postern.pending_interactions to postern_sweep_owner;

grant select, insert, update (system_providers), delete on postern.organizations to postern_control_owner;
grant select, insert, delete on postern.agents to postern_control_owner;
grant select, insert, update on postern.auth_profiles, postern.connections, postern.revoked_tokens,
    postern.deployment_revocations to postern_control_owner;
grant select, insert, update, delete on postern.providers to postern_control_owner;
-- It finds a placeholder by its hash, and shows no hash.
grant select, insert, delete on postern.placeholders to postern_control_owner;
grant select, insert, update, delete on postern.egress_policies to postern_control_owner;
grant select, delete on postern.grants to postern_control_owner;
grant select, insert, update (version, key_id, sealed, updated_at), delete on postern.sealed_secrets
    to postern_control_owner;
grant delete on postern.auth_profiles, postern.connections to postern_control_owner;
-- It deletes questions and outcomes with whose they are, and reads none.
grant select (ctid, organization_id, agent_id, connection_id), delete on postern.pending_interactions
    to postern_control_owner;
grant select (ctid, organization_id, connection_id), delete on postern.ended_interactions to postern_control_owner;
grant select (ctid, organization_id, agent_id), delete on postern.deliveries to postern_control_owner;

grant select (id, system_providers, created_at) on postern.organizations to postern_finder;
grant select (token_hash, organization_id, expires_at) on postern.placeholders to postern_finder;
grant select (id, organization_id, platform, secret_ref, config) on postern.connections to postern_finder;
grant select (organization_id, name, key_id) on postern.sealed_secrets to postern_finder;

-- Deleting needs no question, no answer, no placeholder and no verdict. An update right is needed to lock a row.
grant select (ctid, organization_id, id, agent_id, connection_id, expected_user_id, callback_url, created_at,
    claimed_at), update (id), delete on postern.pending_interactions to postern_remover;
grant select (ctid, expires_at), update (expires_at), delete
    on postern.placeholders, postern.grants, postern.revoked_tokens, postern.egress_verdicts to postern_remover;
grant select (ctid, revoked_at), update (revoked_at), delete on postern.deployment_revocations to postern_remover;
grant select (ctid, next_at), update (next_at), delete on postern.chat_turns to postern_remover;
grant select (ctid, organization_id, id, connection_id, expected_user_id, ended_at, expired), insert,
    update (connection_id, expected_user_id, ended_at, expired), delete
    on postern.ended_interactions to postern_remover;
grant select (ctid, organization_id, interaction_id, attempts, delivered_at, given_up_at, created_at), insert,
    update (attempts), delete on postern.deliveries to postern_remover;

grant select (id) on postern.organizations to postern_courier;
grant select (id, organization_id, platform, secret_ref, config) on postern.connections to postern_courier;
grant select, update (attempts, next_attempt_at) on postern.deliveries to postern_courier;
grant select, update (settle_at, post_at, post_begun, post_doubtful) on postern.pending_interactions
    to postern_courier;

-- ---- A schema for each caller ----

create schema postern_finder;
create schema postern_proxy;
create schema postern_webhooks;
create schema postern_sweep;
create schema postern_control;
grant usage on schema postern_finder to postern_proxy_owner;
grant usage on schema postern_proxy to postern_proxy;
grant usage on schema postern_webhooks to postern_webhooks;
grant usage on schema postern_sweep to postern_sweep;
grant usage on schema postern_control to postern_control;
