//! A tenant's own provider, as `put_provider` writes it.

use super::{Fault, Provider, Providers, WrittenShape};
use crate::error::{Code, Error};
use crate::id::{ProviderId, Slug};
use crate::wire::AllowedPrivate;
use http::Uri;

/// A provider of a tenant that may be written.
#[derive(Debug)]
pub struct NewProvider {
    /// The provider.
    pub provider: Provider,
    /// Its shape, as it is stored.
    pub shape: WrittenShape,
}

impl NewProvider {
    /// Checks a provider of a tenant.
    ///
    /// # Errors
    /// `scope_conflict` where the slug is an operator's; `invalid_request` where the shape or the address is not
    /// valid, the address is not public, or an operator's provider is there.
    pub fn check(
        operators: &Providers,
        allowed: &AllowedPrivate,
        slug: Slug,
        provider_id: ProviderId,
        base_url: &str,
        shape: WrittenShape,
    ) -> Result<Self, Error> {
        if operators.get(slug.as_str()).is_some() {
            return Err(Error::new(
                Code::ScopeConflict,
                "a provider of the operator has this slug, and the operator's wins; use another slug",
            ));
        }
        let address = |rule: &str| Error::field("base_url", rule);
        let provider = Provider::new(slug, provider_id, base_url, &shape);
        let provider = provider.map_err(|Fault { field, rule }| Error::field(field, rule))?;
        let uri: Uri = provider
            .base_url()
            .parse()
            .map_err(|_| address("must be an address"))?;
        allowed.permit(&uri).map_err(|error| {
            let rule = format!(
                "must be https and a public address: {}",
                error.cause().unwrap_or_default()
            );
            Error::field("base_url", rule)
        })?;
        // An operator's provider is called by its own slug. In development one host may be everything.
        if operators.are_at(provider.base.target()) && !allowed.hosts().allows_address(&uri) {
            return Err(address(
                "is the host of a provider of the operator; use that provider's slug",
            ));
        }
        Ok(Self { provider, shape })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;
    use serde_json::json;

    fn check(slug: &str, base_url: &str) -> Result<String, (Code, String)> {
        let env = Env::from_pairs([("ALLOW_PRIVATE_UPSTREAMS", "dev.example:81")]);
        let shape = json!({"auth": {"header": "private-token"}});
        let slug = Slug::parse(slug).unwrap();
        let new = NewProvider::check(
            &Providers::from_env(&env).unwrap(),
            &AllowedPrivate::from_env(&env).unwrap(),
            slug.clone(),
            slug.into(),
            base_url,
            serde_json::from_value(shape).unwrap(),
        );
        new.map(|new| new.provider.base_url().to_owned())
            .map_err(|error| (error.code, error.message().to_owned()))
    }

    #[test]
    fn a_public_https_address_is_a_tenants_provider() {
        let own = |text: &str| Ok(text.to_owned());
        assert_eq!(
            check("jira-acme", "https://Acme.Example./jira/"),
            own("https://acme.example/jira")
        );
        assert_eq!(
            check("dev", "http://dev.example:81"),
            own("http://dev.example:81")
        );
        // A template has no address of its own, so nothing is shadowed.
        assert!(check("azure-openai", "https://acme.openai.azure.com").is_ok());
    }

    #[test]
    fn every_other_address_is_refused_with_a_sentence() {
        for base_url in [
            "http://acme.example",
            "https://user@acme.example",
            "https://acme.example?x=1",
            "https://acme.example/#x",
            "https://127.0.0.1",
            "https://[::1]",
            "https://169.254.169.254/latest",
            "https://10.0.0.1:8443",
            "https://0x7f000001",
            "https://api.openai.com",
            "https://API.OpenAI.com.:443/v2",
            "ftp://acme.example",
            "acme.example",
            "",
        ] {
            let (code, message) = check("own", base_url).unwrap_err();
            assert_eq!(code, Code::InvalidRequest, "{base_url}");
            assert!(message.contains("`base_url`"), "{message}");
        }
        assert_eq!(
            check("openai", "https://acme.example").unwrap_err().0,
            Code::ScopeConflict
        );
    }
}
