//! `list_`, `get_` and `delete_`, which every kind of record has.

use super::{Command, read};
use postern::store::{Kind, Position};
use postern::{Error, OrganizationId};
use serde::Deserialize;
use serde_json::{Map, Value};

/// `list_` and a kind.
#[derive(Debug)]
pub struct List {
    /// The kind to list.
    pub kind: Kind,
    /// The organization whose records are listed; `None` for organizations alone.
    pub organization_id: Option<OrganizationId>,
    /// Where the page before ended.
    pub after: Option<Position>,
}

/// The fields of a list.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ListFields {
    Organizations {
        #[serde(default)]
        after: Option<String>,
    },
    OfAnOrganization {
        organization_id: OrganizationId,
        #[serde(default)]
        after: Option<String>,
    },
}

/// What a command does with a kind.
#[derive(Clone, Copy)]
pub(super) enum Verb {
    List,
    Get,
    Delete,
}

/// A command that every kind has.
pub(super) struct OfAKind {
    verb: Verb,
    kind: Kind,
}

/// The command of this name, if it is one that every kind has.
pub(super) fn named(name: &str) -> Option<OfAKind> {
    let (verb, rest) = name.split_once('_')?;
    let verb = match verb {
        "list" => Verb::List,
        "get" => Verb::Get,
        "delete" => Verb::Delete,
        _ => return None,
    };
    let mut kinds = Kind::ALL.into_iter();
    let kind = kinds.find(|kind| match verb {
        // Also `list_policys`: a program may add an `s` to the name of any kind.
        Verb::List => rest == kind.plural() || rest.strip_suffix('s') == Some(kind.as_str()),
        Verb::Get | Verb::Delete => rest == kind.as_str(),
    })?;
    Some(OfAKind { verb, kind })
}

/// The names of all of them.
pub(super) fn names() -> Vec<String> {
    let of = |kind: Kind| {
        let name = kind.as_str();
        let list = format!("list_{}", kind.plural());
        [list, format!("get_{name}"), format!("delete_{name}")]
    };
    Kind::ALL.into_iter().flat_map(of).collect()
}

impl OfAKind {
    /// Reads the command's fields.
    ///
    /// # Errors
    /// `invalid_request` with the name of the field.
    pub(super) fn read(&self, fields: Map<String, Value>) -> Result<Command, Error> {
        match self.verb {
            Verb::List => list(self.kind, fields).map(Command::List),
            Verb::Get => read(self.kind.as_str(), fields).map(Command::Get),
            Verb::Delete => read(self.kind.as_str(), fields).map(Command::Delete),
        }
    }
}

fn list(kind: Kind, fields: Map<String, Value>) -> Result<List, Error> {
    let form = match kind {
        Kind::Organization => "organizations",
        Kind::Agent
        | Kind::Connection
        | Kind::Profile
        | Kind::Provider
        | Kind::Secret
        | Kind::Policy
        | Kind::Placeholder
        | Kind::Grant => "of_an_organization",
    };
    let (organization_id, after) = match read(form, fields)? {
        ListFields::Organizations { after } => (None, after),
        ListFields::OfAnOrganization {
            organization_id,
            after,
        } => (Some(organization_id), after),
    };
    let position = |text: String| {
        Position::parse(kind, &text)
            .ok_or_else(|| Error::field("after", "must be `next` of the same list's page before"))
    };
    Ok(List {
        kind,
        organization_id,
        after: after.map(position).transpose()?,
    })
}
