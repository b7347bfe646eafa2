//! How unanswered interactions ended. A late click by the person who was asked reads it.

/// Records how the rows of `$ended` ended: as expired if their `status` is `expired`, otherwise as withdrawn.
/// `$ended` needs the columns `organization_id`, `id`, `connection_id`, `expected_user_id` and `status`.
macro_rules! ended_sql {
    ($ended:literal) => {
        concat!(
            "
    insert into ended_interactions (organization_id, id, connection_id, expected_user_id, expired)
    select organization_id, id, connection_id, expected_user_id, status = 'expired'
    from ",
            $ended,
            "
    on conflict (organization_id, id) do update
    set connection_id = excluded.connection_id, expected_user_id = excluded.expected_user_id,
        ended_at = now(), expired = excluded.expired
"
        )
    };
}

pub(super) use ended_sql;
