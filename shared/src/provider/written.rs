//! Providers as they are written: in the built-in list, in `PROVIDERS`, and by `put_provider`.

use super::written_auth::WrittenAuth;
use crate::id::{ProviderId, Slug};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a provider takes credentials and answers. A tenant's provider takes it from a template, or says it itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenShape {
    /// How a credential is sent.
    pub auth: WrittenAuth,
    /// How an OAuth access token is sent, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth_auth: Option<WrittenAuth>,
    /// The rest.
    #[serde(default)]
    pub options: WrittenOptions,
}

/// A provider's settings other than its credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenOptions {
    /// Headers that every request gets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, String>,
    /// The statuses that say that the credential is bad; 401 where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad_key: Option<Vec<u16>>,
    /// The form field in which clients may send their placeholder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The path below `base_url` that takes OpenAI's chat completions, for the judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_path: Option<String>,
}

/// An operator's provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenProvider {
    slug: String,
    #[serde(default)]
    provider_id: Option<ProviderId>,
    /// `None` for a template.
    #[serde(default)]
    base_url: Option<String>,
    /// The regions that it stands for. Each takes the place of `{region}` in slug, address and signature.
    #[serde(default)]
    regions: Vec<String>,
    auth: WrittenAuth,
    #[serde(default)]
    oauth_auth: Option<WrittenAuth>,
    #[serde(default)]
    constants: BTreeMap<String, String>,
    #[serde(default)]
    bad_key: Option<Vec<u16>>,
    #[serde(default)]
    form: Option<String>,
    #[serde(default)]
    chat_path: Option<String>,
    /// The page of the provider's documentation that the entry follows.
    #[serde(default)]
    #[expect(dead_code, reason = "it is for whoever reads the list")]
    docs: Option<String>,
}

/// One provider of a list, after its regions were filled in.
pub(super) struct Entry {
    pub slug: Slug,
    pub provider_id: ProviderId,
    pub base_url: Option<String>,
    pub shape: WrittenShape,
}

impl WrittenProvider {
    /// The providers that the entry stands for.
    ///
    /// # Errors
    /// The rule that the entry breaks.
    pub(super) fn entries(self) -> Result<Vec<Entry>, &'static str> {
        const RULE: &str = "a slug must be 1 to 64 of A-Z a-z 0-9 _ . -, and not `health`";
        let regions = match self.regions.as_slice() {
            [] => vec![None],
            all => all.iter().map(|region| Some(region.as_str())).collect(),
        };
        let entry = |region: Option<&str>| {
            let fill =
                |text: &str| region.map_or(text.to_owned(), |own| text.replace("{region}", own));
            let slug = Slug::parse(fill(&self.slug)).map_err(|_| RULE)?;
            Ok(Entry {
                provider_id: self
                    .provider_id
                    .clone()
                    .unwrap_or_else(|| slug.clone().into()),
                slug,
                base_url: self.base_url.as_deref().map(fill),
                shape: WrittenShape {
                    auth: self.auth.in_region(region),
                    oauth_auth: self.oauth_auth.as_ref().map(|auth| auth.in_region(region)),
                    options: WrittenOptions {
                        constants: self.constants.clone(),
                        bad_key: self.bad_key.clone(),
                        form: self.form.clone(),
                        chat_path: self.chat_path.clone(),
                    },
                },
            })
        };
        regions.into_iter().map(entry).collect()
    }
}
