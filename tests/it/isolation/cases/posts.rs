//! Calls about posts that are put off and made later, and about the turns in which messages are sent.

/// Calls that take a turn to send a message.
const TURNS: &[&str] = &[
    "@, 'c-a', 'C1', 1000, '{1000,0}', '{4000,250}', '{5,50}'",
    "@, 'c-a', 'C2', 1000, '{1000,0}', '{1000,250}', '{1,50}'",
    "@, 'c-b', 'C1', 1000, '{1000,0}', '{1000,250}', '{1,50}'",
];

/// Calls that give no turn for some time.
const PAUSES: &[&str] = &[
    "@, 'c-a', 'C1', 3600000",
    "@, 'c-a', '', 3600000",
    "@, 'c-b', 'C1', 3600000",
];

/// Calls for the organization `a`, which `@` stands for.
pub(super) const POSTS: [(&str, &[&str]); 11] = [
    (
        "postern_proxy.interaction_put_off_1",
        &[
            "@, 'egress.x', 'c-a', 'U1', 'rev', 1000, true, true",
            "@, 'egress.x', 'c-b', 'U1', 'rev', 1000, true, true",
            "@, 'egress.only', 'c-b', 'U1', 'rev', 1000, true, true",
        ],
    ),
    ("postern_proxy.chat_turn_1", TURNS),
    ("postern_proxy.chat_pause_1", PAUSES),
    (
        "postern_webhooks.interaction_put_off_1",
        &[
            "@, 'q', 'c-a', 'U1', 'rev', 1000, true, true",
            "@, 'q', 'c-b', 'U1', 'rev', 1000, true, true",
            "@, 'q-only', 'c-b', 'U1', 'rev', 1000, true, true",
        ],
    ),
    ("postern_webhooks.chat_turn_1", TURNS),
    ("postern_webhooks.chat_pause_1", PAUSES),
    (
        "postern_sweep.interaction_put_off_1",
        &[
            "@, 'q-unposted', 'c-a', 'U1', 'rev', 1000, true, true",
            "@, 'q-unposted', 'c-b', 'U1', 'rev', 1000, true, true",
            "@, 'q-only-unposted', 'c-b', 'U1', 'rev', 1000, true, true",
        ],
    ),
    ("postern_sweep.chat_turn_1", TURNS),
    ("postern_sweep.chat_pause_1", PAUSES),
    (
        "postern_sweep.interaction_posted_1",
        &[
            r#"@, 'q-unposted', 'c-a', 'U1', 'rev', '{"channel": "C"}', false"#,
            r#"@, 'q-unposted', 'c-b', 'U1', 'rev', '{"channel": "C"}', false"#,
            r#"@, 'q-only-unposted', 'c-b', 'U1', 'rev', '{"channel": "C"}', false"#,
        ],
    ),
    (
        "postern_sweep.interaction_delete_1",
        &[
            "@, 'q-unposted', 'c-a', 'U1', 'rev'",
            "@, 'q-unposted', 'c-b', 'U1', 'rev'",
            "@, 'q-only-unposted', 'c-b', 'U1', 'rev'",
            "@, 'egress.x', 'c-a', 'U1', 'rev'",
            // Its card was posted, or it is answered.
            "@, 'q', 'c-a', 'U1', 'rev'",
            "@, 'q-answered', 'c-a', 'U1', 'rev'",
        ],
    ),
];
