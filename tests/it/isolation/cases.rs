//! The calls that the matrix makes: at least one of each SQL function.

mod posts;
mod records;

/// All calls for the organization `a`, which `@` stands for.
pub(super) fn tenants() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    TENANTS.iter().chain(&posts::POSTS).chain(&records::RECORDS)
}

/// Calls for the organization `a`, which `@` stands for. They name what both organizations have, and what only `b`
/// has.
const TENANTS: [(&str, &[&str]); 46] = [
    (
        "postern_proxy.access_facts_1",
        &[
            "@, null, array[sha256('p-a')], 'shared', 'j-a', extract(epoch from now()), 'd', null, 'openai', 'U1', '{}', 'host:x'",
            "@, null, array[sha256('p-b')], 'shared', 'j-b', extract(epoch from now()), 'd-b', null, 'openai', 'U1', '{}', 'host:only'",
            "@, null, array[sha256('legacy')], 'only', 'j', extract(epoch from now()), 'd', null, 'openai', 'U1', '{}', 'host:x'",
            "null, 'only', array[sha256('p-a')], null, null, null, null, null, 'openai', 'U1', '{}', 'host:only'",
            "null, null, array[sha256('p-a'), sha256('p-b')], null, null, null, null, null, 'openai', 'U1', '{}', 'host:x'",
            "@, null, array[sha256('p-a')], 'shared', 'j-a', extract(epoch from now()), 'd', 'own', null, 'U1', '{}', null",
            "@, null, '{}', 'only', 'j', extract(epoch from now()), 'd-b', 'own-only', null, 'U1', '{}', null",
            "null, null, array[sha256('p-a'), sha256('p-b')], null, null, null, null, 'own', null, 'U1', '{}', null",
            "@, null, '{}', 'only', 'j', extract(epoch from now()), 'd-b', null, 'only-b', 'U1', '{}', 'host:only'",
            "@, null, '{}', 'shared', 'j', extract(epoch from now()), 'd', null, 'sealed', 'U1', '{}', 'host:x'",
            "null, null, array[sha256('p-a')], null, null, null, null, null, 'sealed', 'U1', '{}', 'host:x'",
        ],
    ),
    (
        "postern_proxy.policy_facts_1",
        &[
            "@, 'shared', '{}', 'host:x', 'j-b', extract(epoch from now()), 'd'",
            "@, 'shared', '{}', 'host:only', 'j', extract(epoch from now()), 'd-b'",
            "@, 'only', '{}', 'host:only', 'j', extract(epoch from now()), 'd'",
            "@, 'only', '{}', 'host:mark-b', 'j', extract(epoch from now()), 'd'",
            "@, 'only', '{}', 'host:own.example', 'j', extract(epoch from now()), 'd'",
        ],
    ),
    (
        "postern_proxy.approval_open_1",
        &[
            "@, 'egress.y', 'c-a', 'U1', 'shared', '{}', 86400000, 'digest', 'rev2', 1000",
            "@, 'egress.x', 'c-a', 'U1', 'shared', '{}', 0, 'digest', 'rev2', 1000",
            "@, 'egress.x', 'c-b', 'U1', 'shared', '{}', 0, 'digest', 'rev2', 1000",
            "@, 'egress.only', 'c-b', 'U1', 'shared', '{}', 0, 'digest', 'rev2', 1000",
            // Full for `a`, and not without the rows of `b`.
            "@, 'egress.only', 'c-a', 'U1', 'shared', '{}', 86400000, 'digest', 'rev2', 1",
            "@, 'egress.y', 'c-a', 'U1', 'shared', '{}', 86400000, 'digest', 'rev2', 4",
            // Only approvals of policies.
            "@, 'q-y', 'c-a', 'U1', 'shared', '{}', 86400000, 'digest', 'rev2', 1000",
        ],
    ),
    (
        "postern_proxy.interaction_posted_1",
        &[
            r#"@, 'egress.x', 'c-a', 'U1', 'rev', '{"channel": "C"}', false"#,
            r#"@, 'egress.x', 'c-b', 'U1', 'rev', '{"channel": "C"}', false"#,
            r#"@, 'egress.only', 'c-b', 'U1', 'rev', '{"channel": "C"}', false"#,
        ],
    ),
    (
        "postern_proxy.interaction_delete_1",
        &[
            "@, 'egress.x', 'c-a', 'U1', null",
            "@, 'egress.x', 'c-b', 'U1', null",
            "@, 'egress.only', 'c-b', 'U1', 'rev'",
        ],
    ),
    (
        "postern_proxy.verdict_claim_1",
        &[
            "@, sha256('k'), '00000000-0000-0000-0000-000000000003', 1000",
            "@, sha256('only'), '00000000-0000-0000-0000-000000000003', 1000",
            "@, sha256('new'), '00000000-0000-0000-0000-000000000003', 1000",
        ],
    ),
    (
        "postern_proxy.verdict_settle_1",
        &[
            "@, sha256('k'), '00000000-0000-0000-0000-000000000001', 'deny', 1000",
            "@, sha256('only'), '00000000-0000-0000-0000-000000000002', 'deny', 1000",
        ],
    ),
    (
        "postern_proxy.verdict_of_flight_1",
        &[
            "@, sha256('k'), '00000000-0000-0000-0000-000000000001'",
            "@, sha256('only'), '00000000-0000-0000-0000-000000000002'",
        ],
    ),
    (
        "postern_proxy.sealed_secret_1",
        &["@, 'keys/x'", "@, 'keys/only'"],
    ),
    (
        "postern_webhooks.policy_facts_1",
        &[
            "@, 'shared', '{}', 'host:x', 'j-b', extract(epoch from now()), 'd'",
            "@, 'shared', '{}', 'host:only', 'j', extract(epoch from now()), 'd-b'",
            "@, 'only', '{}', 'host:only', 'j', extract(epoch from now()), 'd'",
        ],
    ),
    (
        "postern_webhooks.policies_1",
        &["@, 'shared', '{}'", "@, 'only', '{}'", "@, null, '{}'"],
    ),
    (
        "postern_webhooks.grant_standing_1",
        &[
            "@, 'shared', 'host:x', 'j-b', extract(epoch from now()), 'd'",
            "@, 'shared', 'host:only', 'j', extract(epoch from now()), 'd-b'",
            "@, 'only', 'host:only', 'j', extract(epoch from now()), 'd'",
        ],
    ),
    (
        "postern_webhooks.interaction_store_1",
        &[
            "@, 'q-new', 'c-a', 'U1', 'shared', '{}', 86400000, null, 'rev2', 1000, 'j', extract(epoch from now()), 'd'",
            "@, 'q', 'c-a', 'U1', 'shared', '{}', 86400000, null, 'rev2', 1000, 'j-b', extract(epoch from now()), 'd'",
            "@, 'q', 'c-b', 'U1', 'shared', '{}', 86400000, null, 'rev2', 1000, 'j', extract(epoch from now()), 'd-b'",
            "@, 'q-only', 'c-a', 'U1', 'shared', '{}', 86400000, null, 'rev2', 1000, 'j', extract(epoch from now()), 'd'",
            "@, 'q-only', 'c-b', 'U1', 'shared', '{}', 86400000, null, 'rev2', 1000, 'j', extract(epoch from now()), 'd'",
            "@, 'q-only', 'c-a', 'U1', 'shared', '{}', 86400000, null, 'rev2', 1, 'j', extract(epoch from now()), 'd'",
            "@, 'q-new', 'c-a', 'U1', 'shared', '{}', 86400000, null, 'rev2', 4, 'j', extract(epoch from now()), 'd'",
            "@, 'q-new', 'c-a', 'U1', 'only', '{}', 86400000, null, 'rev2', 4, 'j', extract(epoch from now()), 'd'",
        ],
    ),
    (
        "postern_webhooks.interaction_posted_1",
        &[
            r#"@, 'q', 'c-a', 'U1', 'rev', '{"channel": "C"}', false"#,
            r#"@, 'q', 'c-b', 'U1', 'rev', '{"channel": "C"}', false"#,
            r#"@, 'q-only', 'c-b', 'U1', 'rev', '{"channel": "C"}', false"#,
        ],
    ),
    (
        "postern_webhooks.interaction_delete_1",
        &[
            "@, 'q', 'c-a', 'U1', null",
            "@, 'q', 'c-b', 'U1', null",
            "@, 'q-only', 'c-b', 'U1', 'rev'",
        ],
    ),
    (
        "postern_webhooks.interaction_status_1",
        &[
            "@, 'q', 'shared', 86400000, 'j-b', extract(epoch from now()), 'd'",
            "@, 'q-only', 'shared', 86400000, 'j', extract(epoch from now()), 'd'",
            "@, 'q-answered', 'shared', 86400000, 'j', extract(epoch from now()), 'd-b'",
        ],
    ),
    (
        "postern_webhooks.interaction_withdraw_1",
        &[
            "@, 'q', 'c-a', 'U1', 'shared', 86400000, 1000, 'j', extract(epoch from now()), 'd'",
            "@, 'q', 'c-b', 'U1', 'shared', 86400000, 1000, 'j-b', extract(epoch from now()), 'd'",
            "@, 'q-only', 'c-b', 'U1', 'shared', 86400000, 1000, 'j', extract(epoch from now()), 'd-b'",
            "@, 'q-only-answered', 'c-b', 'U1', 'shared', 86400000, 1000, 'j', extract(epoch from now()), 'd'",
        ],
    ),
    (
        "postern_webhooks.interaction_claim_1",
        &[
            "@, 'q', 'c-a', 'U1', 86400000, 'rev', 0, 'new', null, 1000",
            "@, 'egress.x', 'c-a', 'U1', 86400000, 'rev', 3, 'new', null, 1000",
            "@, 'q', 'c-b', 'U1', 86400000, 'rev', 0, 'new', null, 1000",
            "@, 'q-only', 'c-b', 'U1', 86400000, 'rev', 0, 'new', null, 1000",
        ],
    ),
    (
        "postern_webhooks.interaction_missed_1",
        &[
            "@, 'q-answered', 'c-a', 'U1', 'click', 'rev', null, 86400000",
            "@, 'q-only-answered', 'c-b', 'U1', 'click', 'rev', null, 86400000",
            // Another card of the same content.
            r#"@, 'q-answered', 'c-a', 'U1', 'other', 'rev', '{"channel": "C"}', 86400000"#,
            r#"@, 'q-answered', 'c-b', 'U1', 'other', 'rev', '{"channel": "C"}', 86400000"#,
            "@, 'e', 'c-b', 'U1', 'click', 'rev', null, 86400000",
            "@, 'e-only', 'c-b', 'U1', 'click', 'rev', null, 86400000",
            // It ended in `a`, and stands in `b`.
            "@, 'e', 'c-a', 'U1', 'click', 'rev', null, 86400000",
        ],
    ),
    (
        "postern_webhooks.interaction_settled_1",
        &[
            "@, 'q-answered', 'c-a', 'U1', '{card}', 0",
            "@, 'q-answered', 'c-a', 'U1', '{receipt}', 3600000",
            "@, 'q-answered', 'c-b', 'U1', '{card}', 0",
            "@, 'q-only-answered', 'c-b', 'U1', '{card}', 0",
        ],
    ),
    (
        "postern_webhooks.delivery_done_1",
        &["@, 'd'", "@, 'd-only'"],
    ),
    (
        "postern_webhooks.delivery_failed_1",
        &["@, 'd', 1000, 0", "@, 'd-only', 1000, 0"],
    ),
    (
        "postern_webhooks.delivery_given_up_1",
        &["@, 'd'", "@, 'd-only'"],
    ),
    (
        "postern_webhooks.sealed_secret_1",
        &["@, 'chat/x'", "@, 'chat/only'"],
    ),
    (
        "postern_sweep.sealed_secret_1",
        &["@, 'chat/x'", "@, 'chat/only'"],
    ),
    (
        "postern_sweep.interaction_settled_1",
        &[
            "@, 'q-answered', 'c-a', 'U1', '{card}', 0",
            "@, 'q-answered', 'c-a', 'U1', '{receipt}', 3600000",
            "@, 'q-answered', 'c-b', 'U1', '{card}', 0",
            "@, 'q-only-answered', 'c-b', 'U1', '{card}', 0",
        ],
    ),
    ("postern_sweep.delivery_done_1", &["@, 'd'", "@, 'd-only'"]),
    (
        "postern_sweep.delivery_failed_1",
        &["@, 'd', 1000, 0", "@, 'd-only', 1000, 0"],
    ),
    (
        "postern_sweep.delivery_given_up_1",
        &["@, 'd'", "@, 'd-only'"],
    ),
    (
        "postern_sweep.policies_1",
        &["@, 'shared', '{}'", "@, 'only', '{}'", "@, null, '{}'"],
    ),
    (
        "postern_control.sealed_secret_1",
        &["@, 'keys/x'", "@, 'keys/only'"],
    ),
    (
        "postern_control.sealed_secret_put_1",
        &[
            "@, 'keys/new', null, 1, 'k', 'x'",
            "@, 'keys/x', null, 1, 'k', 'x'",
            "@, 'keys/x', 1, 2, 'k', 'x'",
            "@, 'keys/x', 2, 3, 'k', 'x'",
            "@, 'keys/only', null, 1, 'k', 'x'",
            "@, 'keys/only', 1, 2, 'k', 'x'",
        ],
    ),
    (
        "postern_control.organization_put_1",
        &["@, '{openai,judge}'", "@, null"],
    ),
    ("postern_control.agent_put_1", &["@, 'shared'", "@, 'only'"]),
    (
        "postern_control.connection_put_1",
        &[
            "@, 'c-a', 'slack', 'ref', '{}'",
            "@, 'c-new', 'slack', 'ref', '{}'",
        ],
    ),
    (
        "postern_control.profile_put_1",
        &[
            "@, 'p', 'openai', null, null, 'api_key', 'ref', true",
            "@, 'p2', 'openai', 'only', null, 'api_key', 'ref', false",
        ],
    ),
    (
        "postern_control.placeholder_mint_1",
        &[
            "@, 'shared', sha256('new'), null, 'KEY', 'd', 60, null, '{}'",
            "@, 'only', sha256('new'), null, 'KEY', 'd', 60, null, '{}'",
        ],
    ),
    (
        "postern_control.token_issue_time_1",
        &["@, 'shared', 'd'", "@, 'only', 'd'", "@, 'shared', 'd-b'"],
    ),
    (
        "postern_control.deployment_revoke_1",
        &["@, 'd'", "@, 'd-only'", "@, 'd-b'"],
    ),
    (
        "postern_control.token_revoke_1",
        &[
            "@, 'j-a', now(), 86400000",
            "@, 'j-b', now() + interval '2 days', 86400000",
        ],
    ),
    (
        "postern_control.policy_put_1",
        &[
            "@, null, '[]', false",
            "@, 'shared', '[]', true",
            "@, 'only', '[]', true",
        ],
    ),
    ("postern_control.policy_delete_1", &["@, null", "@, 'only'"]),
    (
        "postern_control.policy_explain_1",
        &[
            "@, 'shared', 'host:x'",
            "@, 'only', 'host:only'",
            "@, 'shared', 'host:mark-b'",
            "@, 'shared', 'host:own.example'",
        ],
    ),
    (
        "postern_control.grant_delete_1",
        &["@, 'shared', 'host:x'", "@, 'shared', 'host:only'"],
    ),
    (
        "postern_control.provider_put_1",
        &[
            "@, 'own', 'openai', 'https://new.example', '{}', null, '{}', 200",
            "@, 'own-only', 'openai', 'https://new.example', '{}', null, '{}', 200",
            // Full for both, whatever the other has.
            "@, 'new', 'openai', 'https://new.example', '{}', null, '{}', 1",
            "@, 'new', 'openai', 'https://new.example', '{}', null, '{}', 2",
        ],
    ),
    // The id of a connection is everybody's, so the answer says that another has it; see below.
    (
        "postern_finder.organization_of_placeholders_1",
        &["array[sha256('p-a')]"],
    ),
];

/// Calls whose answer depends on all organizations, and what they return of `a` and `b`.
pub(super) const ACROSS: [(&str, &str, &[&str]); 26] = [
    (
        "postern_control.connection_put_1",
        "'a', 'c-b', 'discord', 'ref', '{}'",
        &[],
    ),
    (
        "postern_control.organization_list_1",
        "null, 1",
        &[
            r#"({a},"{""id"": ""a"", ""created_at"": ""2030-01-01T00Z"", ""system_providers"": [""openai"", ""only-a""]}")"#,
        ],
    ),
    (
        "postern_control.organization_list_1",
        "'{a}', 10",
        &[
            r#"({b},"{""id"": ""b"", ""created_at"": ""2030-01-01T00Z"", ""system_providers"": [""openai"", ""only-b""]}")"#,
        ],
    ),
    (
        "postern_webhooks.connection_claimed_1",
        "'c-b'",
        &["(c-b,b,slack,mark-b,{})"],
    ),
    ("postern_webhooks.connection_claimed_1", "'c-none'", &[]),
    (
        "postern_finder.organization_of_placeholders_1",
        "array[sha256('only'), sha256('legacy')]",
        &["b"],
    ),
    (
        "postern_finder.organization_of_placeholders_1",
        "array[sha256('legacy')]",
        &["null"],
    ),
    // The names alone; the keys of `a` and of `b` lie on either side of the current one.
    (
        "postern_control.sealed_secrets_stale_1",
        "'mark-aa', '', '', '', 2",
        &["(mark-a,a,callback-signing)", "(mark-a,a,chat/x)"],
    ),
    (
        "postern_control.sealed_secrets_stale_1",
        "'mark-a', 'mark-b', 'b', 'keys/only', 10",
        &["(mark-b,b,keys/x)", "(mark-b,b,oauth/x)"],
    ),
    (
        "postern_control.sealed_secrets_stale_1",
        "'mark-b', 'mark-a', 'a', 'oauth/x', 10",
        &[],
    ),
    // Nothing of the fill is stale.
    (
        "postern_sweep.delete_pending_interactions_1",
        "10, 86400000",
        &["(0,[])"],
    ),
    ("postern_sweep.delete_placeholders_1", "10", &["(0,[])"]),
    ("postern_sweep.delete_grants_1", "10", &["(0,[])"]),
    ("postern_sweep.delete_deliveries_1", "10", &["(0,[])"]),
    ("postern_sweep.delete_revoked_tokens_1", "10", &["(0,[])"]),
    (
        "postern_sweep.delete_deployment_revocations_1",
        "10",
        &["(0,[])"],
    ),
    (
        "postern_sweep.delete_ended_interactions_1",
        "10",
        &["(0,[])"],
    ),
    ("postern_sweep.delete_egress_verdicts_1", "10", &["(0,[])"]),
    ("postern_sweep.delete_chat_turns_1", "10", &["(0,[])"]),
    ("postern_sweep.oldest_age_1", "", &["0"]),
    // One of each organization; those that a busy one has are left alone.
    (
        "postern_sweep.deliveries_due_1",
        "10, 1, 10, 1000, '{}', '{}'",
        &[
            r#"(a,d,shared,q,https://mark-a,mark-a,"{""type"": ""interaction.answered""}",1)"#,
            r#"(b,d,shared,q,https://mark-b,mark-b,"{""type"": ""interaction.answered""}",1)"#,
        ],
    ),
    (
        "postern_sweep.deliveries_due_1",
        "10, 1, 10, 1000, '{b}', '{}'",
        &[r#"(a,d,shared,q,https://mark-a,mark-a,"{""type"": ""interaction.answered""}",1)"#],
    ),
    (
        "postern_sweep.interactions_unsettled_1",
        "10, 10, '{}'",
        &[
            r#"(c-a,a,slack,mark-a,{},q-answered,U1,shared,"{""kind"": ""question"", ""options"": [""mark-a""]}","{""value"": ""mark-a""}","{""channel"": ""mark-a""}",{card})"#,
            r#"(c-b,b,slack,mark-b,{},q-answered,U1,shared,"{""kind"": ""question"", ""options"": [""mark-b""]}","{""value"": ""mark-b""}","{""channel"": ""mark-b""}",{card})"#,
        ],
    ),
    (
        "postern_sweep.interactions_unsettled_1",
        "10, 10, '{a}'",
        &[
            r#"(c-b,b,slack,mark-b,{},q-answered,U1,shared,"{""kind"": ""question"", ""options"": [""mark-b""]}","{""value"": ""mark-b""}","{""channel"": ""mark-b""}",{card})"#,
        ],
    ),
    (
        "postern_sweep.interactions_unposted_1",
        "10, 10, '{}', 86400000, 1000",
        &[
            r#"(c-a,a,slack,mark-a,{},q-unposted,U1,shared,"{""kind"": ""question"", ""options"": [""mark-a""], ""callback_url"": ""https://mark-a""}",rev,"2030-01-02 00+00",0,f,f)"#,
            r#"(c-b,b,slack,mark-b,{},q-unposted,U1,shared,"{""kind"": ""question"", ""options"": [""mark-b""], ""callback_url"": ""https://mark-b""}",rev,"2030-01-02 00+00",0,f,f)"#,
        ],
    ),
    (
        "postern_sweep.interactions_unposted_1",
        "10, 10, '{b}', 86400000, 1000",
        &[
            r#"(c-a,a,slack,mark-a,{},q-unposted,U1,shared,"{""kind"": ""question"", ""options"": [""mark-a""], ""callback_url"": ""https://mark-a""}",rev,"2030-01-02 00+00",0,f,f)"#,
        ],
    ),
];
