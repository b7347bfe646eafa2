//! Which credential a request uses.

use super::{
    AuthType, Facts, LegacyPlaceholders, PlaceholderRow, ProfileRow, ProviderOf, Request, Rules,
};
use crate::error::{Code, Error};
use crate::host::HostName;
use crate::id::OrganizationId;
use crate::secret::{KeyPermit, Permit};

pub(super) enum Credential<'a> {
    Own {
        permit: KeyPermit,
        row: &'a PlaceholderRow,
    },
    Other(KeyPermit, AuthType),
}

/// The most specific credential there is. One that cannot be read is an error, never a reason to try the next
/// tier. A fault of the credential itself is reported only when it is about to be used.
///
/// # Errors
/// `unexpected_credential` where two placeholders have a secret of their own: the request does not say which
/// one it means.
pub(super) fn credential<'a>(
    rules: &Rules,
    request: &Request,
    facts: &'a Facts,
    organization: Option<&OrganizationId>,
) -> Result<Result<Credential<'a>, Error>, Error> {
    let rows = facts.placeholders.iter();
    let mut own = rows.filter_map(|row| Some((row, row.secret_ref.as_ref()?)));
    let placeholder = own.next();
    if own.next().is_some() {
        return Err(Error::new(
            Code::UnexpectedCredential,
            "two placeholders that have a secret of their own were presented; send one",
        ));
    }
    let found = tiers(rules, request, facts, organization, placeholder);
    Ok(found.unwrap_or_else(|| Err(Code::NoCredentials.into())))
}

fn tiers<'a>(
    rules: &Rules,
    request: &Request,
    facts: &Facts,
    organization: Option<&OrganizationId>,
    placeholder: Option<(&'a PlaceholderRow, &'a String)>,
) -> Option<Result<Credential<'a>, Error>> {
    // Control writes only refs inside the organization, so any other ref is a forgery.
    let forged = |error: Error| Code::SecretUnavailable.because(error);
    let tier = |agent: bool, user: bool| {
        let is =
            |row: &&ProfileRow| row.agent_id.is_some() == agent && row.user_id.is_some() == user;
        let (row, organization) = facts.profiles.iter().find(is).zip(organization)?;
        let permit = rules.names.key(organization, &row.secret_ref);
        let spent =
            |permit: KeyPermit| Credential::Other(permit.found_in(&facts.sealed), row.auth_type);
        Some(permit.map(spent).map_err(forged))
    };
    let of_user = || request.user.as_ref().and_then(|_| tier(true, true));
    let of_placeholder = || {
        let (row, secret_ref) = placeholder?;
        let permit = match organization {
            Some(organization) => rules.names.key(organization, secret_ref),
            None => rules.names.legacy(secret_ref),
        };
        let spent = |permit: KeyPermit| Credential::Own {
            permit: permit.found_in(&facts.sealed),
            row,
        };
        Some(permit.map(spent).map_err(forged))
    };
    let of_system = || {
        let entitled = facts.system_entitled && facts.agent_exists && organization.is_some();
        let permit = match &request.provider {
            ProviderOf::Operator(provider) if entitled => rules.names.system(provider),
            ProviderOf::Operator(_) | ProviderOf::Organization(_) => return None,
        };
        Some(Ok(Credential::Other(permit, AuthType::ApiKey)))
    };
    of_user()
        .or_else(of_placeholder)
        .or_else(|| tier(true, false))
        .or_else(|| tier(false, false))
        .or_else(of_system)
}

/// Checks that the placeholder's own secret may go to this host. Returns whether the row names no hosts.
pub(super) fn host_allowed(
    rules: &Rules,
    row: &PlaceholderRow,
    host: &HostName,
) -> Result<bool, Error> {
    if row.allowed_hosts.is_empty() {
        return match rules.legacy {
            LegacyPlaceholders::Warn => Ok(true),
            LegacyPlaceholders::Deny => Err(Code::HostNotAllowed.into()),
        };
    }
    let same = |allowed: &String| HostName::parse(allowed).is_ok_and(|allowed| allowed == *host);
    if row.allowed_hosts.iter().any(same) {
        return Ok(false);
    }
    Err(Code::HostNotAllowed.into())
}
