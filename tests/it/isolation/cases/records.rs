//! Calls that list, show and delete records.

/// Calls for the organization `a`, which `@` stands for.
pub(super) const RECORDS: [(&str, &[&str]); 27] = [
    (
        "postern_control.grant_list_1",
        &["@, null, 10", "@, '{shared,host:o}', 10"],
    ),
    (
        "postern_control.grant_get_1",
        &["@, 'shared', 'host:x'", "@, 'shared', 'host:only'"],
    ),
    (
        "postern_control.secret_list_1",
        &["@, null, 10", "@, '{keys/}', 10", "@, null, 1"],
    ),
    (
        "postern_control.secret_get_1",
        &["@, 'keys/x'", "@, 'keys/only'"],
    ),
    (
        "postern_control.secret_delete_1",
        &["@, 'keys/x'", "@, 'keys/only'"],
    ),
    ("postern_control.organization_get_1", &["@"]),
    (
        "postern_control.organization_empty_1",
        &["@, 1000", "@, 2", "@, 1"],
    ),
    ("postern_control.organization_delete_1", &["@"]),
    (
        "postern_control.agent_list_1",
        &["@, null, 10", "@, '{o}', 10", "@, null, 1"],
    ),
    ("postern_control.agent_get_1", &["@, 'shared'", "@, 'only'"]),
    (
        "postern_control.agent_empty_1",
        &["@, 'shared', 1000", "@, 'shared', 1", "@, 'only', 1"],
    ),
    (
        "postern_control.agent_delete_1",
        &["@, 'shared'", "@, 'only'"],
    ),
    (
        "postern_control.connection_list_1",
        &["@, null, 10", "@, '{c-a}', 10"],
    ),
    (
        "postern_control.connection_get_1",
        &["@, 'c-a'", "@, 'c-b'"],
    ),
    (
        "postern_control.connection_empty_1",
        &["@, 'c-a', 1000", "@, 'c-b', 1000", "@, 'c-b', 1"],
    ),
    (
        "postern_control.connection_delete_1",
        &["@, 'c-a'", "@, 'c-b'"],
    ),
    (
        "postern_control.profile_list_1",
        &["@, null, 10", "@, '{p}', 10"],
    ),
    ("postern_control.profile_get_1", &["@, 'p'", "@, 'p-only'"]),
    (
        "postern_control.profile_delete_1",
        &["@, 'p'", "@, 'p-only'"],
    ),
    (
        "postern_control.provider_list_1",
        &["@, null, 10", "@, '{own}', 10"],
    ),
    (
        "postern_control.provider_get_1",
        &["@, 'own'", "@, 'own-only'"],
    ),
    (
        "postern_control.provider_delete_1",
        &["@, 'own'", "@, 'own-only'"],
    ),
    (
        "postern_control.policy_list_1",
        &["@, null, 10", "@, '{\"\"}', 10"],
    ),
    ("postern_control.policy_get_1", &["@, null", "@, 'only'"]),
    (
        "postern_control.placeholder_list_1",
        &[
            "@, null, 10",
            "@, '{00000000-0000-0000-0000-000000000001}', 10",
        ],
    ),
    (
        "postern_control.placeholder_get_1",
        &[
            "@, '00000000-0000-0000-0000-000000000001', null",
            "@, '00000000-0000-0000-0000-000000000002', null",
            "@, null, encode(sha256('p-a'), 'hex')",
            "@, null, encode(sha256('p-b'), 'hex')",
            "@, null, encode(sha256('legacy'), 'hex')",
        ],
    ),
    (
        "postern_control.placeholder_delete_1",
        &[
            "@, '00000000-0000-0000-0000-000000000001', null",
            "@, '00000000-0000-0000-0000-000000000002', null",
            "@, null, encode(sha256('p-a'), 'hex')",
            "@, null, encode(sha256('p-b'), 'hex')",
            "@, null, encode(sha256('legacy'), 'hex')",
        ],
    ),
];
