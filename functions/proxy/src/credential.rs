//! The credentials that a request presents. All of them are looked at, so that nothing in one header hides a foreign
//! placeholder in another. Where they stood is compared with the provider's places once the provider is known.

mod authorization;
mod place;

use authorization::Authorization;
use http::header::AUTHORIZATION;
use percent_encoding::percent_decode_str;
use place::{Form, Place, cut};
use postern::authority::placeholder::{Placeholder, PlaceholderHash, Presented, mentions};
use postern::authority::token;
use postern::provider::{AwsScope, OfClient, Provider};
use postern::wire::event::Incoming;
use postern::{Code, Error};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded;

/// Most placeholders of one request. No client has use for more than two.
const MOST_PLACEHOLDERS: usize = 8;

/// The media type whose fields may hold a placeholder.
const FORM: &str = "application/x-www-form-urlencoded";

/// The credentials of one request.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    /// The worker token, not yet verified.
    pub worker_token: Option<SecretString>,
    /// The hashes of the placeholders, each once.
    pub placeholders: Vec<PlaceholderHash>,
    /// Where each placeholder stood.
    places: Vec<Place>,
    /// The user name of HTTP Basic whose password is a placeholder.
    username: Option<String>,
    /// The scope of an AWS signature whose key is a placeholder.
    scope: Option<AwsScope>,
}

impl Credentials {
    /// Reads every place where a credential may stand. `known` is the provider, if it is an operator's; a tenant's own
    /// is known only after the database has spoken.
    ///
    /// # Errors
    /// `placeholder_misplaced`, `unexpected_credential`, `missing_credentials` where the provider's path must hold a
    /// placeholder and does not, `invalid_worker_token`, `invalid_request`.
    pub(crate) fn collect(
        incoming: &Incoming,
        rest: &str,
        known: Option<&Provider>,
    ) -> Result<Self, Error> {
        let mut credentials = Self::default();
        let read = |credentials: &mut Self| {
            credentials.headers(incoming)?;
            credentials.path(incoming, rest)?;
            credentials.query(incoming)?;
            credentials.form(incoming, known)
        };
        read(&mut credentials).map_err(|unread| unread.error(known))?;
        if let Some(provider) = known {
            credentials.check_places(provider)?;
        }
        Ok(credentials)
    }

    /// Whether the request presents anything that may prove who asks.
    pub(crate) fn are_missing(&self) -> bool {
        self.worker_token.is_none() && self.placeholders.is_empty()
    }

    /// Checks that every placeholder stood where this provider takes one.
    ///
    /// # Errors
    /// `placeholder_misplaced`; `missing_credentials` where the provider's path must hold one and does not.
    pub(crate) fn check_places(&self, provider: &Provider) -> Result<(), Error> {
        if let Some(place) = self.places.iter().find(|place| !place.is_of(provider)) {
            return Err(misplaced(place, &provider.places()));
        }
        let in_path = |place: &Place| matches!(place, Place::Segment(_));
        if let Some(segment) = provider.key_segment()
            && !self.places.iter().any(in_path)
        {
            let message = format!(
                "this provider's path must begin with the placeholder, as {}",
                segment.with("<placeholder>")
            );
            return Err(Error::new(Code::MissingCredentials, message));
        }
        Ok(())
    }

    /// What the client said beside its placeholder.
    pub(crate) fn of_client(&self) -> OfClient<'_> {
        OfClient {
            username: self.username.as_deref(),
            scope: self.scope.as_ref(),
        }
    }

    fn headers(&mut self, incoming: &Incoming) -> Result<(), Unread> {
        for (name, value) in &incoming.headers {
            let value = value.as_bytes();
            let broken = || Unread::broken(format_args!("the header `{}`", cut(name.as_str())));
            if mentions(name.as_str().as_bytes()) {
                return Err(Unread::broken(format_args!("the name of a header")));
            }
            if *name == AUTHORIZATION {
                match Authorization::read(value)
                    .map_err(|error| error.map_or_else(broken, Unread::Other))?
                {
                    Authorization::Key { placeholder, form } => {
                        self.found(&placeholder, Place::Header(name.clone(), form))?;
                    }
                    Authorization::Basic { username, keys } => {
                        for placeholder in &keys {
                            self.found(placeholder, Place::Header(name.clone(), Form::Basic))?;
                        }
                        self.username = username.or(self.username.take());
                    }
                    Authorization::Signature { placeholder, scope } => {
                        self.found(&placeholder, Place::Header(name.clone(), Form::Signature))?;
                        self.scope = Some(scope);
                    }
                    Authorization::WorkerToken(token) => self.token(&token)?,
                    Authorization::Nothing => {}
                }
            } else if name == token::HEADER {
                let token = std::str::from_utf8(value).map_err(|_| Code::InvalidWorkerToken)?;
                self.token(token.trim())?;
            } else if mentions(value) {
                let (placeholder, form) = Form::of(value).ok_or_else(broken)?;
                self.found(&placeholder, Place::Header(name.clone(), form))?;
            }
        }
        Ok(())
    }

    /// A path holds a placeholder only in its first segment after the proxy's own.
    fn path(&mut self, incoming: &Incoming, rest: &str) -> Result<(), Unread> {
        if !mentions(incoming.path.as_bytes()) {
            return Ok(());
        }
        let broken = || Unread::broken(format_args!("the path"));
        let (first, after) = rest.split_once('/').unwrap_or((rest, ""));
        let before = incoming.path.strip_suffix(rest).unwrap_or_default();
        if [before, after].iter().any(|part| mentions(part.as_bytes())) {
            return Err(broken());
        }
        let segment = percent_decode_str(first)
            .decode_utf8()
            .map_err(|_| broken())?;
        let placeholder = Placeholder::within(&segment).ok_or_else(broken)?;
        self.found(&placeholder, Place::Segment(segment.into_owned()))
    }

    fn query(&mut self, incoming: &Incoming) -> Result<(), Unread> {
        for pair in incoming.query.split('&') {
            if !mentions(pair.as_bytes()) {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decode_str(name).decode_utf8_lossy();
            let value: Vec<u8> = percent_decode_str(value).collect();
            if mentions(name.as_bytes()) {
                return Err(Unread::broken(format_args!(
                    "the name of a query parameter"
                )));
            }
            let Presented::Placeholder(placeholder) = Placeholder::read(&value) else {
                let place = format_args!("the query parameter `{}`", cut(&name));
                return Err(Unread::broken(place));
            };
            self.found(&placeholder, Place::Query(name.into_owned()))?;
        }
        Ok(())
    }

    /// A form's field may hold a placeholder where the provider has such a field. Of a provider that is not known yet
    /// it is any field that is a placeholder and nothing else.
    fn form(&mut self, incoming: &Incoming, known: Option<&Provider>) -> Result<(), Unread> {
        let own = known.map(|provider| provider.form_field());
        if own == Some(None) || !incoming.is(FORM) || !mentions(&incoming.body) {
            return Ok(());
        }
        let own = own.flatten();
        for (name, value) in form_urlencoded::parse(&incoming.body) {
            if own.is_some_and(|own| own != name) {
                continue;
            }
            match Placeholder::read(value.as_bytes()) {
                Presented::Placeholder(_) if mentions(name.as_bytes()) => {
                    return Err(Unread::broken(format_args!("the name of a form field")));
                }
                Presented::Placeholder(placeholder) => {
                    self.found(&placeholder, Place::FormField(name.into_owned()))?;
                }
                Presented::Misplaced if own.is_some() => {
                    return Err(Unread::broken(format_args!(
                        "the form field `{}`",
                        cut(&name)
                    )));
                }
                Presented::Misplaced | Presented::Other => {}
            }
        }
        Ok(())
    }

    fn found(&mut self, placeholder: &Placeholder, place: Place) -> Result<(), Unread> {
        let hash = placeholder.hash();
        if !self.placeholders.contains(&hash) {
            if self.placeholders.len() == MOST_PLACEHOLDERS {
                let message = "too many placeholders were presented; send one";
                return Err(Error::new(Code::UnexpectedCredential, message).into());
            }
            self.placeholders.push(hash);
        }
        if !self.places.contains(&place) {
            self.places.push(place);
        }
        Ok(())
    }

    /// Keeps a token. A second one must be the same, so that none goes unverified.
    fn token(&mut self, token: &str) -> Result<(), Error> {
        match &self.worker_token {
            Some(first) if first.expose_secret() != token => Err(Error::new(
                Code::UnexpectedCredential,
                "two different worker tokens were presented; send one",
            )),
            Some(_) => Ok(()),
            None => {
                self.worker_token = Some(SecretString::from(token));
                Ok(())
            }
        }
    }
}

/// Why credentials cannot be read.
enum Unread {
    /// A placeholder is not whole, or not alone, in a place that can be named.
    Broken(String),
    Other(Error),
}

impl Unread {
    fn broken(place: std::fmt::Arguments<'_>) -> Self {
        Self::Broken(place.to_string())
    }

    /// The error, which names the provider's places where they are known.
    fn error(self, known: Option<&Provider>) -> Error {
        let place = match self {
            Self::Broken(place) => place,
            Self::Other(error) => return error,
        };
        let belongs = match known {
            Some(provider) => format!("this provider takes one in {}", provider.places()),
            None => {
                "send it as the client sends its key, such as `authorization: Bearer <placeholder>`"
                    .into()
            }
        };
        let message =
            format!("{place} mentions a placeholder where none is read, or not alone; {belongs}");
        Error::private(Code::PlaceholderMisplaced, message)
    }
}

impl<E: Into<Error>> From<E> for Unread {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// A body of form fields without the one that holds the client's credential, if the provider has such a field.
pub(crate) fn without_form_credential(incoming: &Incoming, provider: &Provider) -> bytes::Bytes {
    let Some(own) = provider.form_field().filter(|_| incoming.is(FORM)) else {
        return incoming.body.clone();
    };
    let is_own = |pair: &&[u8]| form_urlencoded::parse(pair).any(|(name, _)| name == own);
    let pairs = || incoming.body.split(|byte| *byte == b'&');
    if !pairs().any(|pair| is_own(&pair)) {
        return incoming.body.clone();
    }
    let kept: Vec<&[u8]> = pairs().filter(|pair| !is_own(pair)).collect();
    kept.join(b"&".as_slice()).into()
}

fn misplaced(place: &Place, places: &str) -> Error {
    let message = format!(
        "a placeholder stands in {place}, where this provider takes none; it takes one in {places}"
    );
    // The name of the place is the client's own text.
    Error::private(Code::PlaceholderMisplaced, message)
}

#[cfg(test)]
mod refused;
#[cfg(test)]
mod tests;
