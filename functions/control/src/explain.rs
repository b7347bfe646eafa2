//! `explain`: which rule decides a request, and why. It shows the judgement that the proxy would enforce, without
//! asking the judge or a person.

use http::Uri;
use postern::policy::{DecidedBy, Mode, Policies, PolicyRow, Target};
use postern::provider::Providers;
use postern::store::PolicyFacts;
use postern::{Code, Error};
use serde_json::{Value, json};

/// The target of the request that the operator asks about, read in the same way as the proxy does.
///
/// # Errors
/// `invalid_request` with the name of the field.
pub(crate) fn target(method: &str, url: &str) -> Result<Target, Error> {
    if method.parse::<http::Method>().is_err() {
        return Err(Error::field("method", "must be a method of HTTP"));
    }
    let rule = "must be http(s)://host[:port]/path, encoded as it is sent";
    let uri: Uri = url.parse().map_err(|_| Error::field("url", rule))?;
    Target::from_uri(&uri, method).ok_or_else(|| Error::field("url", rule))
}

/// The judgement of the policies on a request, as JSON for the operator.
///
/// # Errors
/// `unknown_agent`.
pub(crate) fn explain(
    facts: PolicyFacts,
    target: &Target,
    providers: &Providers,
) -> Result<Value, Error> {
    if !facts.agent_exists {
        return Err(Code::UnknownAgent.into());
    }
    let written = |by: DecidedBy, rows: &[PolicyRow]| match by {
        DecidedBy::Rule(owner, index) => {
            let row = rows.iter().find(|row| row.owner == owner)?;
            let rule = row.rules.as_ref()?.get(index)?;
            Some(json!({"policy": owner.as_str(), "index": index, "rule": rule}))
        }
        DecidedBy::NoPolicy
        | DecidedBy::NotEnforced
        | DecidedBy::NoRule
        | DecidedBy::Ambiguous
        | DecidedBy::Unreadable(_) => None,
    };
    let of_provider = providers.are_at(target) || facts.has_own_provider_at(target);
    let rows = facts.policies.clone();
    let policies = Policies::resolve(facts.policies, &[]);
    let explained = |mode| {
        let judgement = policies.judge(target, facts.grant, of_provider, mode);
        let mut explained =
            json!({"verdict": judgement.action.as_str(), "reason": judgement.reason});
        if let Some(by) = written(judgement.by, &rows) {
            explained["by"] = by;
        }
        explained
    };
    let mut answer = explained(Mode::Enforced);
    if policies.observes() {
        answer["observed"] = explained(Mode::Observed);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_it_is_sent() {
        let target = target("get", "https://API.example.com:8443/v1/../x%2fy?key=1").unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.path()),
            ("api.example.com", 8443, Some("/v1/../x%2fy"))
        );
        for (method, url, field) in [
            ("G T", "https://a.example/", "method"),
            ("GET", "ftp://a.example/", "url"),
            ("GET", "a.example/x", "url"),
            ("GET", "/x", "url"),
            ("GET", "https://", "url"),
            ("GET", "https://a b/", "url"),
        ] {
            let error = super::target(method, url).unwrap_err();
            assert!(error.message().contains(field), "{url}: {error}");
        }
    }
}
