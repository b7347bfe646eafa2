//! Properties that hold for every ref, name, row and keyring, for `fuzz/` and the stored corpus.

use super::keyring::Keyring;
use super::name::{Home, Permit, SecretNames, private::Named};
use super::sealed::{Sealed, SealedId, SealedName};
use crate::id::OrganizationId;

/// A secret ref on the first line, and a keyring below it.
///
/// # Panics
/// Where a property does not hold.
pub fn secret(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (secret_ref, ring) = text.split_once('\n').unwrap_or((&text, ""));
    let [Ok(own), Ok(other)] = ["a", "b"].map(OrganizationId::parse) else {
        return;
    };
    let names = SecretNames::new("postern/");
    if let Ok(permit) = names.legacy(secret_ref) {
        assert!(permit.sealed().is_none(), "{secret_ref}");
    }
    let (key, chat) = (names.key(&own, secret_ref), names.chat(&own, secret_ref));
    assert!(key.is_err() || chat.is_err(), "one ref is of two kinds");
    let permitted = [
        key.as_ref().map(|permit| (permit.name(), "keys/")),
        chat.as_ref().map(|permit| (permit.name(), "chat/")),
    ];
    for (name, kind) in permitted.into_iter().flatten() {
        match &name.home {
            Home::Manager { id } => {
                assert!(id.starts_with(&format!("postern/org/a/{kind}")), "{id}");
                assert!(secret_ref.starts_with(id.as_str()), "{id}");
                assert!(names.key(&other, secret_ref).is_err(), "{secret_ref}");
            }
            Home::Sealed { id, .. } => {
                assert_eq!(id.organization, own);
                assert!(id.name.as_str().starts_with(kind), "{id}");
                assert!(secret_ref.starts_with(&format!("sealed:{}", id.name)));
            }
        }
    }
    if let Ok(name) = SealedName::parse(secret_ref) {
        sealed(
            &SealedId {
                organization: own,
                name,
            },
            ring,
            input,
        );
    }
}

fn sealed(id: &SealedId, ring: &str, input: &[u8]) {
    let ring = match Keyring::parse(ring) {
        Ok(ring) => ring,
        Err(error) => {
            let told = error.to_string();
            assert!(told.len() < 300, "it repeats the input: {told}");
            return;
        }
    };
    let value = "value".into();
    let Ok(Some(row)) = ring.replace(id, None, &value) else {
        panic!("a keyring seals");
    };
    let again = ring.replace(id, Some(&row), &value);
    assert!(matches!(again, Ok(None)), "it opens as what it was");
    let forged = Sealed {
        sealed: input.to_vec(),
        ..row
    };
    assert!(ring.open(id, &forged).is_err(), "nobody else seals");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_corpus_of_secrets_holds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/secret");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            secret(&std::fs::read(entry.unwrap().path()).unwrap());
            seen += 1;
        }
        assert!(seen > 5, "{seen}");
    }
}
