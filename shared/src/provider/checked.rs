//! A provider's shape, once it obeys its rules.

use super::auth::{Auth, Shape};
use super::written::WrittenShape;
use super::written_auth::constants;

const CHAT_PATH: &str = "/v1/chat/completions";

/// A field that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {rule}")]
pub struct Fault {
    /// The field, as it is written.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl Fault {
    pub(super) fn of(field: &'static str, rule: &'static str) -> Self {
        Self { field, rule }
    }
}

/// A shape that obeys its rules.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub auth: Auth,
    pub oauth_auth: Option<Auth>,
    pub bad_key: Vec<u16>,
    pub form: Option<String>,
    pub chat_path: String,
}

impl Checked {
    /// # Errors
    /// The first field that breaks a rule.
    pub(super) fn new(shape: &WrittenShape) -> Result<Self, Fault> {
        let WrittenShape {
            auth,
            oauth_auth,
            options,
        } = shape;
        let of = |field| move |rule| Fault::of(field, rule);
        let constants = constants(&options.constants).map_err(of("constants"))?;
        let auth = Auth::check(auth, &constants).map_err(of("auth"))?;
        let oauth_auth = oauth_auth
            .as_ref()
            .map(|auth| Auth::check(auth, &constants))
            .transpose()
            .map_err(of("oauth_auth"))?;
        let is_path = |auth: &Auth| matches!(auth.shape, Shape::Path(_));
        if is_path(&auth) && oauth_auth.is_some() || oauth_auth.as_ref().is_some_and(is_path) {
            let rule =
                "must be absent where the credential stands in the path, and has no `path` itself";
            return Err(Fault::of("oauth_auth", rule));
        }
        let chat_path = options.chat_path.as_deref().unwrap_or(CHAT_PATH);
        if !chat_path.starts_with('/') {
            return Err(Fault::of("chat_path", "must begin with /"));
        }
        let bad_key = options.bad_key.clone().unwrap_or(vec![401]);
        if bad_key.len() > 8 || bad_key.iter().any(|status| !(400..500).contains(status)) {
            let rule = "must be a list of at most 8 statuses from 400 to 499";
            return Err(Fault::of("bad_key", rule));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let field = |form: &String| (1..=64).contains(&form.len()) && form.bytes().all(plain);
        if !options.form.iter().all(field) {
            let rule = "must be a field's name, 1 to 64 of A-Z a-z 0-9 - . _";
            return Err(Fault::of("form", rule));
        }
        Ok(Self {
            auth,
            oauth_auth,
            bad_key,
            form: options.form.clone(),
            chat_path: chat_path.to_owned(),
        })
    }
}
