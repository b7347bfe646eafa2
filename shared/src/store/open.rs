//! Opening an interaction, for an agent's question or a policy's approval. Both statements have the same first
//! ten parameters: $1 to $4 are organization, id, connection and user, $5 is the agent, $6 the payload, $7 the
//! TTL in milliseconds, $8 the digest, $9 the revision, and $10 `MAX_OPEN`.

/// Maximum number of open interactions of one agent.
pub(super) const MAX_OPEN: i64 = 1000;

/// What the insert depends on: `via` is the connection, if the organization has it; `crowd.full` is true if the
/// agent has too many open interactions to open another.
macro_rules! before_open_sql {
    () => {
        "via as (
    select * from connections where organization_id = $1 and id = $3
), open as (
    select from pending_interactions
    where organization_id = $1 and agent_id = $5 and claimed_at is null
        and created_at > now() - $7 * interval '1 millisecond'
    limit $10
), crowd as (
    select count(*) >= $10
        and not exists (select from pending_interactions where organization_id = $1 and id = $2) as full
    from open
)"
    };
}

/// Inserts a row for each row of `$from`. An existing row `p` with the id is replaced only within the same scope;
/// the caller appends further conditions on `p`. `$also` sets further columns of it.
macro_rules! open_sql {
    ($from:literal, $also:literal) => {
        concat!(
            "
    insert into pending_interactions as p
        (organization_id, id, connection_id, expected_user_id, agent_id, entry_payload, digest, revision)
    select $1, $2, $3, $4, $5, $6, $8, $9
    from ",
            $from,
            "
    on conflict (organization_id, id) do update
    set entry_payload = excluded.entry_payload, digest = excluded.digest, revision = excluded.revision,
        stored_at = now(), posted_at = null, card = null,
        claimed_at = null, answer = null, claimed_click = null, unsettled = '{}', settle_at = null",
            $also,
            "
    where p.connection_id = excluded.connection_id
        and p.expected_user_id = excluded.expected_user_id
        and p.agent_id = excluded.agent_id
        and "
        )
    };
}

/// Whether the row `p` was stored over 30 s ago and its card was never noted as posted. A post takes at most 20 s
/// and its note 2 s, so its poster has died.
macro_rules! unposted_sql {
    () => {
        "(p.claimed_at is null and p.posted_at is null and p.stored_at <= now() - interval '30 seconds')"
    };
}

pub(super) use {before_open_sql, open_sql, unposted_sql};
