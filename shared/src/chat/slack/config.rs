//! What a connection's configuration says of its Slack: the workspace, the organization and the app that calls come
//! from, and the people who have several ids.

use crate::chat::Differs;
use crate::error::Error;
use crate::id::UserId;
use serde_json::Value;
use std::iter::once;

const TEAM: &str = "team_id";
const APP: &str = "api_app_id";
const ENTERPRISE: &str = "enterprise_id";
/// Ids of people before their workspace joined an organization, each with the id since. It has the form of the answer
/// of `migration.exchange` (docs.slack.dev/reference/methods/migration.exchange).
const USERS: &str = "user_id_map";

/// Checks the configuration as an operator writes it. Unknown keys are none of Slack's.
///
/// # Errors
/// `invalid_request` names the key.
pub(in crate::chat) fn check(config: &Value) -> Result<(), Error> {
    let refused = |key: &str, rule: &str| Err(Error::field(&format!("config.{key}"), rule));
    for key in [TEAM, APP, ENTERPRISE] {
        match config.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(id)) if !id.is_empty() => {}
            Some(_) => return refused(key, "must be an id of Slack's, as a string"),
        }
    }
    let users = match config.get(USERS) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(users)) => users,
        Some(_) => return refused(USERS, "must be an object of user ids"),
    };
    for (former, id) in users {
        let Some(id) = id.as_str().filter(|id| UserId::parse(*id).is_ok()) else {
            return refused(USERS, "must name a user id for each user id");
        };
        if UserId::parse(former.as_str()).is_err() {
            return refused(USERS, "must name a user id for each user id");
        }
        // One person would be known by ids of two.
        if users.get(id).is_some_and(|next| next.as_str() != Some(id)) {
            return refused(USERS, "must not map an id that others are mapped to");
        }
    }
    Ok(())
}

/// Checks that the payload is from the connection's own workspace, organization and app, as far as they are
/// configured. All workspaces of an app share one signing secret.
///
/// In a channel that workspaces share, `team` is the one that the app posted the card from, and `user.team_id` that of
/// whoever clicked (github.com/slackapi/java-slack-sdk/issues/1041). An app that is installed for a whole organization
/// is of no workspace: then `team` is null. `enterprise` alone does not mean that, as every workspace of an
/// organization names it (github.com/slackapi/bolt-js/issues/1510).
pub(super) fn same_workspace(payload: &Value, config: &Value) -> Result<(), Differs> {
    let team = &payload["team"];
    let enterprise = payload["enterprise"]["id"].as_str();
    let enterprise = enterprise.or(team["enterprise_id"].as_str());
    same(config, APP, payload["api_app_id"].as_str())?;
    same(config, ENTERPRISE, enterprise)?;
    match team["id"].as_str() {
        Some(team) => same(config, TEAM, Some(team)),
        // The organization was compared.
        None if configured(config, ENTERPRISE).is_some() => Ok(()),
        None => same(config, TEAM, payload["user"]["team_id"].as_str()),
    }
}

/// The value of a key that is not null.
fn configured<'a>(config: &'a Value, key: &str) -> Option<&'a Value> {
    config.get(key).filter(|value| !value.is_null())
}

/// Whether the payload names the id that is configured, if one is.
fn same(config: &Value, key: &'static str, named: Option<&str>) -> Result<(), Differs> {
    match configured(config, key) {
        None => Ok(()),
        Some(own) if own.is_string() && own.as_str() == named => Ok(()),
        Some(own) => Err(Differs::new(
            key,
            own.as_str().unwrap_or("not a string"),
            named,
        )),
    }
}

/// The other ids of a person, if the configuration has any.
pub(super) fn other_ids(config: &Value, user: &UserId) -> Vec<UserId> {
    let Some(Value::Object(users)) = config.get(USERS) else {
        return Vec::new();
    };
    let user = user.as_str();
    let present = users.get(user).and_then(Value::as_str).unwrap_or(user);
    let former = users
        .iter()
        .filter(|(_, id)| id.as_str() == Some(present))
        .map(|(former, _)| former.as_str());
    once(present)
        .chain(former)
        .filter(|id| *id != user)
        .filter_map(|id| UserId::parse(id).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace() -> Value {
        json!({"team": {"id": "T1"}, "enterprise": {"id": "E1"}, "is_enterprise_install": false,
            "user": {"id": "U1", "team_id": "T1"}, "api_app_id": "A1"})
    }

    fn organization() -> Value {
        json!({"team": null, "enterprise": {"id": "E1"}, "is_enterprise_install": "true",
            "user": {"id": "U1", "team_id": "T1"}, "api_app_id": "A1"})
    }

    /// A click in a channel that the workspace T1 shares with T9.
    fn shared() -> Value {
        json!({"team": {"id": "T1"}, "enterprise": null, "user": {"id": "U9", "team_id": "T9"}, "api_app_id": "A1"})
    }

    /// The key that differs, as it is configured and named.
    fn differing(payload: &Value, config: &Value) -> Option<(&'static str, String, String)> {
        let differs = same_workspace(payload, config).err()?;
        Some((differs.key, differs.configured, differs.named))
    }

    #[test]
    fn a_call_of_the_connections_own_workspace_organization_and_app_is_accepted() {
        let org = organization();
        for (payload, config) in [
            (workspace(), json!({})),
            (workspace(), json!({"team_id": null, "enterprise_id": null})),
            (workspace(), json!({"team_id": "T1", "api_app_id": "A1"})),
            (workspace(), json!({"enterprise_id": "E1"})),
            (workspace(), json!({"team_id": "T1", "enterprise_id": "E1"})),
            (
                json!({"team": {"id": "T1", "enterprise_id": "E1"}}),
                json!({"enterprise_id": "E1"}),
            ),
            (org.clone(), json!({})),
            (
                org.clone(),
                json!({"enterprise_id": "E1", "api_app_id": "A1"}),
            ),
            // Whoever configured both named the workspace that they installed the app from.
            (org.clone(), json!({"enterprise_id": "E1", "team_id": "T7"})),
            // Without an organization, the workspace of the person is all that is known.
            (org.clone(), json!({"team_id": "T1"})),
            (json!({"user": {"team_id": "T1"}}), json!({"team_id": "T1"})),
            (shared(), json!({"team_id": "T1"})),
        ] {
            assert_eq!(differing(&payload, &config), None, "{payload} {config}");
        }
    }

    #[test]
    fn a_call_of_another_is_refused_and_both_ids_are_named() {
        let differs = |key, own: &str, named: &str| Some((key, own.into(), named.into()));
        for (payload, config, expected) in [
            (
                workspace(),
                json!({"team_id": "T2"}),
                differs("team_id", "T2", "T1"),
            ),
            (
                workspace(),
                json!({"api_app_id": "A2"}),
                differs("api_app_id", "A2", "A1"),
            ),
            (
                workspace(),
                json!({"enterprise_id": "E2"}),
                differs("enterprise_id", "E2", "E1"),
            ),
            (
                workspace(),
                json!({"team_id": "T2", "enterprise_id": "E1"}),
                differs("team_id", "T2", "T1"),
            ),
            (
                workspace(),
                json!({"team_id": "T1", "enterprise_id": "E2"}),
                differs("enterprise_id", "E2", "E1"),
            ),
            (
                workspace(),
                json!({"team_id": 1}),
                differs("team_id", "not a string", "T1"),
            ),
            (
                organization(),
                json!({"enterprise_id": "E2"}),
                differs("enterprise_id", "E2", "E1"),
            ),
            // A workspace of the same number does not stand in for the organization.
            (
                organization(),
                json!({"enterprise_id": "E2", "team_id": "T1"}),
                differs("enterprise_id", "E2", "E1"),
            ),
            (
                organization(),
                json!({"team_id": "T2"}),
                differs("team_id", "T2", "T1"),
            ),
            // The one who clicked is of another workspace than the app.
            (
                shared(),
                json!({"team_id": "T9"}),
                differs("team_id", "T9", "T1"),
            ),
            (
                shared(),
                json!({"enterprise_id": "E1"}),
                differs("enterprise_id", "E1", "none"),
            ),
            (
                json!({}),
                json!({"team_id": "T1"}),
                differs("team_id", "T1", "none"),
            ),
            (
                json!({}),
                json!({"team_id": 1}),
                differs("team_id", "not a string", "none"),
            ),
            (
                json!({"team": {"id": 1}}),
                json!({"team_id": "T1"}),
                differs("team_id", "T1", "none"),
            ),
        ] {
            assert_eq!(differing(&payload, &config), expected, "{payload} {config}");
        }
    }

    #[test]
    fn a_persons_other_ids_are_those_that_the_map_says_and_nobody_elses() {
        let config = json!({"user_id_map": {"U1": "W1", "U2": "W1", "U3": "W3", "W4": "W4"}});
        let others = |user: &str| {
            let others = other_ids(&config, &UserId::parse(user).unwrap());
            let others: Vec<String> = others.iter().map(|id| id.as_str().to_owned()).collect();
            others.join(" ")
        };
        for (user, expected) in [
            ("U1", "W1 U2"),
            ("W1", "U1 U2"),
            ("U3", "W3"),
            ("W3", "U3"),
            ("W4", ""),
            ("U5", ""),
        ] {
            assert_eq!(others(user), expected, "{user}");
        }
        for config in [
            json!({}),
            json!({"user_id_map": ["U1"]}),
            json!({"user_id_map": {"U1": 7}}),
        ] {
            assert!(other_ids(&config, &UserId::parse("U1").unwrap()).is_empty());
        }
    }

    #[test]
    fn a_configuration_is_checked_when_it_is_written() {
        for good in [
            json!({}),
            json!({"team_id": null, "anything": 7}),
            json!({"team_id": "T1", "api_app_id": "A1", "enterprise_id": "E1", "user_id_map": {}}),
            json!({"user_id_map": {"U1": "W1", "U2": "W1", "W4": "W4"}}),
        ] {
            assert!(check(&good).is_ok(), "{good}");
        }
        for (bad, key) in [
            (json!({"team_id": 1}), "config.team_id"),
            (json!({"team_id": ""}), "config.team_id"),
            (json!({"api_app_id": ["A1"]}), "config.api_app_id"),
            (
                json!({"enterprise_id": {"id": "E1"}}),
                "config.enterprise_id",
            ),
            (json!({"user_id_map": ["U1"]}), "config.user_id_map"),
            (json!({"user_id_map": {"U1": 7}}), "config.user_id_map"),
            (json!({"user_id_map": {"U1": ""}}), "config.user_id_map"),
            (json!({"user_id_map": {"": "W1"}}), "config.user_id_map"),
            (
                json!({"user_id_map": {"U1": "U2", "U2": "W2"}}),
                "config.user_id_map",
            ),
        ] {
            let error = check(&bad).unwrap_err().to_string();
            assert!(error.contains(key), "{bad}: {error}");
        }
    }
}
