//! `explain`: which rule decides a request, and why, without asking anybody.

use http::Uri;
use postern::policy::{DecidedBy, Grant, Mode, Policies, PolicyRow, Ruled, Target};
use postern::provider::Providers;
use postern::store::PolicyFacts;
use postern::{Code, Error};
use serde_json::{Value, json};

/// The request that an operator asks about, read as the proxy reads what it sends.
///
/// # Errors
/// `invalid_request` that names the field.
pub fn target(method: &str, url: &str) -> Result<Target, Error> {
    if method.parse::<http::Method>().is_err() {
        return Err(Error::field("method", "must be a method of HTTP"));
    }
    let rule = "must be http(s)://host[:port]/path, encoded as it is sent";
    let uri: Uri = url.parse().map_err(|_| Error::field("url", rule))?;
    Target::from_uri(&uri, method).ok_or_else(|| Error::field("url", rule))
}

/// # Errors
/// `unknown_agent`.
pub fn explain(facts: PolicyFacts, target: &Target, providers: &Providers) -> Result<Value, Error> {
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
        | DecidedBy::NoRule
        | DecidedBy::Ambiguous
        | DecidedBy::Unreadable(_) => None,
    };
    let rows = facts.policies.clone();
    let policies = Policies::resolve(facts.policies, &[]);
    let of_provider = providers.all().any(|provider| provider.is_at(target));
    let told = |mode| {
        let ruling = policies.ruling(target, mode);
        let (verdict, reason) = match ruling.by {
            DecidedBy::NoPolicy => unruled(policies.is_empty(), of_provider),
            by => verdict(ruling.ruled, by, facts.grant),
        };
        let mut told = json!({"verdict": verdict, "reason": reason});
        if let Some(by) = written(ruling.by, &rows) {
            told["by"] = by;
        }
        told
    };
    let mut answer = told(Mode::Enforced);
    if policies.observes() {
        answer["observed"] = told(Mode::Observed);
    }
    Ok(answer)
}

/// What holds where no rule counts.
fn unruled(no_policy: bool, of_provider: bool) -> (&'static str, String) {
    let (verdict, reason) = match (no_policy, of_provider) {
        (true, true) => (
            "allow",
            "no policy is set, and the host is a provider's own",
        ),
        (true, false) => (
            "deny",
            "no policy is set, and the host is no provider's own",
        ),
        (false, _) => (
            "allow",
            "no policy is enforced: what there is only observes",
        ),
    };
    (verdict, reason.into())
}

fn verdict(ruled: Ruled<'_>, by: DecidedBy, grant: Grant) -> (&'static str, String) {
    match (ruled, grant) {
        (Ruled::Allow, _) => ("allow", by.to_string()),
        (Ruled::Deny, _) => ("deny", by.to_string()),
        (Ruled::Judge(_), _) => ("judge", format!("{by}: a model decides by its text")),
        (Ruled::Ask(_), Grant::Denied) => ("deny", format!("{by}: a person denied this host")),
        (Ruled::Ask(_), Grant::Allowed(_)) => {
            ("allow", format!("{by}: a person allowed this host"))
        }
        (Ruled::Ask(_), Grant::None) => ("ask", format!("{by}: a person is asked")),
    }
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
