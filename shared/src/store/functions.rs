//! The SQL functions that the store calls. Each is a file in `shared/functions`, whose folder names its owner. A
//! function that has been released is never changed: a later version has the next number, and old code calls the old
//! one until it is gone.

/// The functions of one owner.
struct Owned {
    /// Who owns them, and so whose rights they have; `None` if they have the rights of their caller.
    owner: Option<&'static str>,
    files: &'static [&'static str],
}

/// The files `$name` in `shared/functions/$folder`.
macro_rules! files {
    ($folder:literal: $($name:literal)+) => {
        &[$(include_str!(concat!("../../functions/", $folder, "/", $name, ".sql"))),+]
    };
}

const FUNCTIONS_1: [Owned; 8] = [
    Owned {
        owner: None,
        files: files!("parts": "rfc3339_1" "outcome_1" "token_1" "policies_1" "standing_1"
            "chat_turn_1"),
    },
    Owned {
        owner: Some("postern_finder"),
        files: files!("finder": "organization_of_placeholders_1" "connection_claimed_1" "organization_list_1"
            "sealed_secrets_stale_1"),
    },
    Owned {
        owner: Some("postern_proxy_owner"),
        files: files!("proxy": "access_facts_1" "policy_facts_1" "approval_open_1" "interaction_posted_1"
            "interaction_put_off_1" "chat_turn_1" "chat_pause_1" "interaction_delete_1" "verdict_claim_1" "verdict_settle_1" "verdict_of_flight_1"
            "sealed_secret_1"),
    },
    Owned {
        owner: Some("postern_webhooks_owner"),
        files: files!("webhooks": "interaction_store_1" "interaction_posted_1" "interaction_put_off_1" "chat_turn_1" "chat_pause_1"
            "interaction_delete_1"
            "interaction_status_1" "interaction_withdraw_1" "interaction_claim_1" "interaction_missed_1"
            "interaction_settled_1" "delivery_done_1" "delivery_failed_1" "delivery_given_up_1" "grant_standing_1"
            "policies_1" "policy_facts_1" "sealed_secret_1"),
    },
    Owned {
        owner: Some("postern_sweep_owner"),
        files: files!("sweep": "interaction_posted_1" "interaction_put_off_1" "interaction_delete_1" "chat_turn_1"
            "chat_pause_1" "interaction_settled_1" "delivery_done_1" "delivery_failed_1" "delivery_given_up_1"
            "policies_1" "sealed_secret_1"),
    },
    Owned {
        owner: Some("postern_remover"),
        files: files!("remover": "delete_pending_interactions_1" "delete_placeholders_1" "delete_grants_1"
            "delete_deliveries_1" "delete_revoked_tokens_1" "delete_deployment_revocations_1"
            "delete_ended_interactions_1" "delete_egress_verdicts_1" "delete_chat_turns_1" "oldest_age_1"),
    },
    Owned {
        owner: Some("postern_courier"),
        files: files!("courier": "deliveries_due_1" "interactions_unsettled_1" "interactions_unposted_1"),
    },
    Owned {
        owner: Some("postern_control_owner"),
        files: files!("control": "organization_put_1" "agent_put_1" "connection_put_1" "profile_put_1"
            "placeholder_mint_1" "token_issue_time_1" "deployment_revoke_1" "token_revoke_1" "policy_put_1"
            "policy_delete_1" "policy_explain_1" "grant_delete_1" "provider_put_1"
            "organization_get_1" "organization_empty_1" "organization_delete_1"
            "agent_list_1" "agent_get_1" "agent_empty_1" "agent_delete_1"
            "connection_list_1" "connection_get_1" "connection_empty_1" "connection_delete_1"
            "profile_list_1" "profile_get_1" "profile_delete_1"
            "provider_list_1" "provider_get_1" "provider_delete_1" "policy_list_1" "policy_get_1"
            "placeholder_list_1" "placeholder_get_1" "placeholder_delete_1" "grant_list_1" "grant_get_1"
            "sealed_secret_1" "sealed_secret_put_1" "secret_list_1" "secret_get_1" "secret_delete_1"),
    },
];

/// What a copy of the database does not inherit. It is sent at each migration.
pub(super) const DATABASE: &str = include_str!("../../functions/database.sql");

/// The migration that creates the functions, each as its owner.
pub(super) fn migration_1() -> String {
    const BEFORE: &str = include_str!("../../functions/before.sql");
    const AFTER: &str = include_str!("../../functions/after.sql");
    let mut sql = String::from(BEFORE);
    for Owned { owner, files } in FUNCTIONS_1 {
        if let Some(owner) = owner {
            sql += &format!("\nset local role {owner};\n");
        }
        sql += &files.concat();
        if owner.is_some() {
            sql += "reset role;\n";
        }
    }
    sql + AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, fs, path::Path};

    #[test]
    fn every_file_is_created_by_a_migration() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions");
        let folders = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let files = folders
            .filter(|path| path.is_dir())
            .flat_map(|folder| fs::read_dir(folder).unwrap())
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        let listed: BTreeSet<&str> = FUNCTIONS_1
            .iter()
            .flat_map(|owned| owned.files)
            .copied()
            .collect();
        for file in files {
            assert!(listed.contains(file.as_str()), "{file}");
        }
    }

    /// The text without comments, with single spaces.
    fn words(sql: &str) -> String {
        let lines = sql.lines().filter(|line| !line.trim().starts_with("--"));
        lines
            .flat_map(str::split_whitespace)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// `access_facts_1` repeats three parts, so that a new session has less to plan.
    #[test]
    fn the_hot_path_says_what_the_parts_say() {
        let facts = words(include_str!("../../functions/proxy/access_facts_1.sql"));
        let token = include_str!("../../functions/parts/token_1.sql");
        let policies = include_str!("../../functions/parts/policies_1.sql");
        let standing = include_str!("../../functions/parts/standing_1.sql");
        for (part, agent, from, to) in [
            (
                token,
                "p_token_agent",
                "when exists (",
                "a.id = p_token_agent ) end",
            ),
            (policies, "s.agent_id", "jsonb_agg(", "end ))"),
            (
                policies,
                "s.agent_id",
                "from postern.egress_policies",
                "s.agent_id)",
            ),
            (
                standing,
                "s.agent_id",
                "select jsonb_build_object(",
                "now())",
            ),
        ] {
            let part = words(part);
            let (_, body) = part.split_once("begin atomic").unwrap();
            let body = body
                .replace("p_organization", "v_organization")
                .replace("p_pattern", "v_pattern")
                .replace("p_agent", agent);
            let start = body.find(from).unwrap();
            let end = start + body[start..].find(to).unwrap() + to.len();
            let said = &body[start..end];
            assert!(facts.contains(said), "{said}");
        }
    }
}
