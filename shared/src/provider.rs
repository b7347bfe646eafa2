//! Providers, as data: where an API is, and how it takes a credential.

mod auth;
mod base_url;
mod checked;
mod injection;
mod list;
mod new;
mod sigv4;
mod written;
mod written_auth;

pub use auth::{Auth, AuthType, AwsScope, KeyHeader, MemberHeader, Segment, Shape};
pub use checked::Fault;
pub use injection::{Injection, OfClient};
pub use list::Providers;
pub use new::NewProvider;
pub use sigv4::Signer;
pub use written::{WrittenOptions, WrittenShape};
pub use written_auth::WrittenAuth;

use crate::host::HostName;
use crate::id::{ProviderId, Slug};
use crate::policy::Target;
use base_url::{BaseUrl, has_steps, is_plain};
use checked::Checked;
use http::{HeaderName, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;

/// Whether an API of this base URL is at this host and port.
pub fn is_at(base_url: &str, target: &Target) -> bool {
    BaseUrl::parse(base_url).is_ok_and(|base| base.is_at(target))
}

/// Headers that carry a key for some provider. Every provider's clients may send the placeholder in them, and
/// nothing that stands in them is forwarded.
const KEY_HEADERS: [&str; 4] = ["authorization", "x-api-key", "x-goog-api-key", "api-key"];
/// Google's APIs take a key in their header or in this query parameter, as each client likes.
const GOOGLES_HEADER: &str = "x-goog-api-key";
const GOOGLES_QUERY: &str = "key";

/// A provider, the operator's or a tenant's own.
#[derive(Debug, Clone)]
pub struct Provider {
    /// The name in the proxy's path.
    pub slug: Slug,
    /// The name that profiles and entitlements use.
    pub provider_id: ProviderId,
    base: BaseUrl,
    checked: Checked,
}

/// A tenant's provider as the database holds it.
#[derive(Debug, Clone, Deserialize)]
pub struct ProviderRow {
    /// The name in the proxy's path.
    pub slug: Slug,
    provider_id: String,
    base_url: String,
    host: Option<String>,
    auth: Value,
    oauth_auth: Option<Value>,
    options: Value,
}

impl ProviderRow {
    /// The provider. `put_provider` writes only rows that have one.
    ///
    /// # Errors
    /// The rule that the row breaks.
    pub fn read(self) -> Result<Provider, String> {
        let written = |error: serde_json::Error| error.to_string();
        let shape = WrittenShape {
            auth: serde_json::from_value(self.auth).map_err(written)?,
            oauth_auth: self
                .oauth_auth
                .map(serde_json::from_value)
                .transpose()
                .map_err(written)?,
            options: serde_json::from_value(self.options).map_err(written)?,
        };
        let id = ProviderId::parse(self.provider_id);
        let id = id.map_err(|rule| format!("provider_id {rule}"))?;
        let provider = Provider::new(self.slug, id, &self.base_url, &shape);
        let provider = provider.map_err(|fault| fault.to_string())?;
        // The database looked a person's decision up by its own reading of the address.
        if self.host.as_deref() != Some(provider.host().as_str()) {
            return Err("the host of base_url is not in its normal form".into());
        }
        Ok(provider)
    }
}

impl Provider {
    /// A provider of this shape at this address.
    ///
    /// # Errors
    /// The field of the address or the shape that breaks a rule.
    pub fn new(
        slug: Slug,
        provider_id: ProviderId,
        base_url: &str,
        shape: &WrittenShape,
    ) -> Result<Self, Fault> {
        Ok(Self {
            slug,
            provider_id,
            base: BaseUrl::parse(base_url).map_err(|rule| Fault::of("base_url", rule))?,
            checked: Checked::new(shape)?,
        })
    }

    /// How a credential of this type is sent.
    pub fn auth(&self, auth_type: AuthType) -> &Auth {
        match auth_type {
            AuthType::ApiKey => &self.checked.auth,
            AuthType::OAuth => self
                .checked
                .oauth_auth
                .as_ref()
                .unwrap_or(&self.checked.auth),
        }
    }

    fn shapes(&self) -> impl Iterator<Item = &Shape> {
        let all = [Some(&self.checked.auth), self.checked.oauth_auth.as_ref()];
        all.into_iter().flatten().map(|auth| &auth.shape)
    }

    /// Whether a credential is read from this header, and nothing that stands in it is forwarded: the provider's own,
    /// or one that common clients use.
    pub fn takes_key_in(&self, header: &HeaderName) -> bool {
        KEY_HEADERS.contains(&header.as_str())
            || self.shapes().any(|shape| shape.takes_header(header))
    }

    /// Whether the provider takes its credential in the query parameter of this name.
    pub fn takes_key_in_query(&self, name: &str) -> bool {
        self.shapes().any(|shape| query_of(shape) == Some(name))
            // Those of a client's presigned address.
            || self.takes_signatures() && name.to_ascii_lowercase().starts_with("x-amz-")
    }

    /// The query parameter in which a placeholder may stand, if there is one.
    pub fn key_query(&self) -> Option<&str> {
        self.shapes().find_map(query_of)
    }

    /// The path's segment that holds the credential, if one does.
    pub fn key_segment(&self) -> Option<&Segment> {
        self.shapes().find_map(|shape| {
            if let Shape::Path(segment) = shape {
                Some(segment)
            } else {
                None
            }
        })
    }

    /// Whether clients sign their requests as AWS's do.
    pub fn takes_signatures(&self) -> bool {
        self.shapes()
            .any(|shape| matches!(shape, Shape::AwsSigV4(_)))
    }

    /// Whether the provider takes HTTP Basic, so that its clients may wait for that challenge.
    pub fn takes_basic(&self) -> bool {
        self.shapes().any(Shape::is_basic)
    }

    /// The schemes that the provider's own credentials have in this header, such as `Token`.
    pub fn schemes_in(&self, header: &HeaderName) -> impl Iterator<Item = &str> {
        self.shapes().filter_map(move |shape| {
            if let Shape::Header(own) = shape
                && own.header == header
            {
                own.scheme.as_deref()
            } else {
                None
            }
        })
    }

    /// The form field in which clients may send their placeholder.
    pub fn form_field(&self) -> Option<&str> {
        self.checked.form.as_deref()
    }

    /// Whether this answer may say that the credential is bad.
    pub fn says_bad_key(&self, status: StatusCode) -> bool {
        self.checked.bad_key.contains(&status.as_u16())
    }

    /// Where a placeholder may stand, for people.
    pub fn places(&self) -> String {
        let mut places: Vec<String> = KEY_HEADERS.iter().map(|name| format!("`{name}`")).collect();
        places[0] += " (alone, after Bearer or token, or in Basic)";
        for shape in self.shapes() {
            match shape {
                Shape::Header(own) => places.push(format!("`{}`", own.header)),
                Shape::Headers(all) => {
                    places.extend(all.iter().map(|own| format!("`{}`", own.header)));
                }
                Shape::Path(own) => {
                    let segment = own.with("<placeholder>");
                    places.push(format!("the path's first segment, as {segment}"));
                }
                Shape::AwsSigV4(_) => places.push("an AWS signature, as the access key id".into()),
                Shape::Query(_) | Shape::BasicPassword(_) | Shape::BasicUsername => {}
            }
            let query = query_of(shape);
            places.extend(query.map(|name| format!("the query parameter `{name}`")));
        }
        let form = self.form_field();
        places.extend(form.map(|name| format!("the form field `{name}`")));
        let mut seen = std::collections::HashSet::new();
        places.retain(|place| seen.insert(place.clone()));
        places.join(", ")
    }

    /// The address to which `/{rest}` is added, without a slash at its end.
    pub fn base_url(&self) -> &str {
        self.base.text()
    }

    /// The part of an absolute address that lies below the base URL: empty, or from its slash, question mark or hash
    /// on. `None` for every other address, also for one that a step such as `..` might lead elsewhere.
    pub fn below<'a>(&self, address: &'a str) -> Option<&'a str> {
        let plain = address.split('#').next().unwrap_or_default();
        let uri: Uri = plain.parse().ok()?;
        let target = Target::from_uri(&uri, "GET")?;
        let own = self.base.target();
        if (own.scheme, &own.host, own.port) != (target.scheme, &target.host, target.port) {
            return None;
        }
        let authority = uri.authority().filter(|own| is_plain(own))?;
        let at = address.find("://")? + "://".len() + authority.as_str().len();
        let path = address.get(at..)?;
        if has_steps(uri.path()) {
            return None;
        }
        let rest = path.strip_prefix(self.base.path())?;
        (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then_some(rest)
    }

    /// The address that takes OpenAI's chat completions.
    pub fn chat_url(&self) -> String {
        format!("{}{}", self.base_url(), self.checked.chat_path)
    }

    /// Whether the provider's API is at this host and port.
    pub fn is_at(&self, target: &Target) -> bool {
        self.base.is_at(target)
    }

    /// The host of its address.
    pub fn host(&self) -> &HostName {
        self.base.host()
    }
}

/// The query parameter in which a provider of this shape takes its credential.
fn query_of(shape: &Shape) -> Option<&str> {
    match shape {
        Shape::Query(name) => Some(name),
        Shape::Header(own) if own.header == GOOGLES_HEADER => Some(GOOGLES_QUERY),
        Shape::Header(_)
        | Shape::Headers(_)
        | Shape::BasicPassword(_)
        | Shape::BasicUsername
        | Shape::Path(_)
        | Shape::AwsSigV4(_) => None,
    }
}

#[cfg(test)]
mod tests;
