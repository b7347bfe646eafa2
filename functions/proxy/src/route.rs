//! The proxy's paths. Only slug and ids are decoded; `rest` is passed on byte for byte.

use percent_encoding::percent_decode_str;
use postern::id::Slug;
use postern::{AgentId, Code, Error, UserId};

/// The path of a tunnel's decision.
const DECIDE: &str = "/v1/egress/decide";

/// A path of the proxy's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// Whether the function is up.
    Health,
    /// A tunnel's decision.
    Decide,
    /// A call to a provider.
    Proxy(ProxyPath<'a>),
}

/// `{anything}/api/proxy/{slug}[/a/{agent_id}[/u/{user_id}]]/{rest}`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProxyPath<'a> {
    /// The provider's.
    pub slug: Slug,
    /// The agent that the path names.
    pub agent: Option<AgentId>,
    /// The user that the path names.
    pub user: Option<UserId>,
    /// What follows, for the provider.
    pub rest: &'a str,
}

impl<'a> Route<'a> {
    /// Reads a path.
    ///
    /// # Errors
    /// `not_found` when it is no path of the proxy's; `unknown_provider` when no provider can have the slug;
    /// `invalid_path` when its ids are not valid.
    pub(crate) fn parse(path: &'a str) -> Result<Self, Error> {
        if path == "/health" {
            return Ok(Self::Health);
        }
        if path == DECIDE {
            return Ok(Self::Decide);
        }
        let tail = after_mount(path).ok_or(Code::NotFound)?;
        let (slug, tail) = segment(tail);
        if slug == "health" && tail.is_empty() {
            return Ok(Self::Health);
        }
        let slug = Slug::parse(slug).map_err(|_| Code::UnknownProvider)?;
        let (agent, tail) = named(tail, "a")?;
        let agent = agent
            .map(|id| AgentId::parse(id).map_err(|rule| invalid("agent_id", rule)))
            .transpose()?;
        let (user, rest) = if agent.is_some() {
            named(tail, "u")?
        } else {
            (None, tail)
        };
        let user = user
            .map(|id| UserId::parse(id).map_err(|rule| invalid("user_id", rule)))
            .transpose()?;
        Ok(Self::Proxy(ProxyPath {
            slug,
            agent,
            user,
            rest,
        }))
    }
}

/// What follows the first whole segments `/api/proxy/`.
fn after_mount(path: &str) -> Option<&str> {
    const MOUNT: &str = "/api/proxy";
    path.match_indices(MOUNT)
        .find_map(|(at, _)| path[at + MOUNT.len()..].strip_prefix('/'))
}

/// The next segment and what follows its slash.
fn segment(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}

/// The id of a segment pair `{name}/{id}`, decoded once, where the path begins with one.
fn named<'a>(path: &'a str, name: &str) -> Result<(Option<String>, &'a str), Error> {
    let (first, tail) = segment(path);
    if first != name {
        return Ok((None, path));
    }
    let (raw, rest) = segment(tail);
    let stray = |at: usize| {
        !raw[at + 1..].bytes().take(2).all(|b| b.is_ascii_hexdigit()) || raw.len() < at + 3
    };
    if raw.match_indices('%').any(|(at, _)| stray(at)) {
        return Err(Code::InvalidPath.into());
    }
    let id = percent_decode_str(raw)
        .decode_utf8()
        .map_err(|_| Code::InvalidPath)?;
    Ok((Some(id.into_owned()), rest))
}

fn invalid(name: &str, rule: impl std::fmt::Display) -> Error {
    Error::new(Code::InvalidPath, format!("the path's {name} {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(path: &str) -> (String, Option<String>, Option<String>, String) {
        match Route::parse(path).unwrap() {
            Route::Proxy(p) => (
                p.slug.to_string(),
                p.agent.map(|id| id.to_string()),
                p.user.map(|id| id.to_string()),
                p.rest.into(),
            ),
            other @ (Route::Health | Route::Decide) => panic!("{other:?}"),
        }
    }

    fn refused(path: &str) -> Code {
        Route::parse(path).unwrap_err().code
    }

    #[test]
    fn the_path_is_taken_apart_and_rest_kept_byte_for_byte() {
        let own = |s: &str| Some(s.to_owned());
        assert_eq!(
            proxy("/api/proxy/openai/v1/x"),
            ("openai".into(), None, None, "v1/x".into())
        );
        assert_eq!(
            proxy("/s/api/proxy/o/a/a%2F1/u/u%40x/v1//..%2f/%41"),
            ("o".into(), own("a/1"), own("u@x"), "v1//..%2f/%41".into())
        );
        assert_eq!(
            proxy("/api/proxy/o"),
            ("o".into(), None, None, String::new())
        );
        assert_eq!(
            proxy("/api/proxy/o/u/x"),
            ("o".into(), None, None, "u/x".into())
        );
        assert_eq!(
            proxy("/api/proxy/o/a/1"),
            ("o".into(), own("1"), None, String::new())
        );
        assert_eq!(
            proxy("/api/proxy/o/a/1/api/proxy/evil/a/2"),
            ("o".into(), own("1"), None, "api/proxy/evil/a/2".into())
        );
    }

    #[test]
    fn the_mount_is_whole_segments() {
        for path in [
            "/api/proxy@evil/x",
            "/api/proxy.evil/x",
            "/api/proxy",
            "/xapi/proxy2/x",
            "/",
            "",
            "api/proxy/x",
        ] {
            assert_eq!(refused(path), Code::NotFound, "{path}");
        }
        for path in [
            "/api/proxy/",
            "/api/proxy//x",
            "/api/proxy/a%20b/x",
            "/api/proxy/../x",
            "/api/proxy/health/x",
        ] {
            assert_eq!(refused(path), Code::UnknownProvider, "{path}");
        }
    }

    #[test]
    fn an_id_that_is_not_valid_is_an_invalid_path() {
        for id in [
            "",
            "%20",
            "a%00b",
            "%ff",
            "%",
            "%4",
            "%zz",
            "a%0a",
            &"x".repeat(256),
        ] {
            assert_eq!(
                refused(&format!("/api/proxy/o/a/{id}/v1")),
                Code::InvalidPath,
                "{id}"
            );
            assert_eq!(
                refused(&format!("/api/proxy/o/a/ok/u/{id}/v1")),
                Code::InvalidPath,
                "{id}"
            );
        }
        assert_eq!(refused("/api/proxy/o/a"), Code::InvalidPath);
    }

    #[test]
    fn health_is_health() {
        assert_eq!(Route::parse("/health").unwrap(), Route::Health);
        assert_eq!(
            Route::parse("/prod/api/proxy/health").unwrap(),
            Route::Health
        );
    }
}
