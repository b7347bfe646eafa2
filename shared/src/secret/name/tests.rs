//! Which refs name what, and which permit reads what.

use super::*;

fn org(id: &str) -> OrganizationId {
    OrganizationId::parse(id).unwrap()
}

#[test]
fn a_ref_reads_only_its_own_kind_of_its_own_organization() {
    let names = SecretNames::new("postern/");
    for own in [
        "openai",
        "openai#key",
        "team/openai",
        "openai#k/../x",
        "a.b=c",
    ] {
        let key = format!("postern/org/a/keys/{own}");
        assert!(names.key(&org("a"), &key).is_ok(), "{own}");
        assert!(names.chat(&org("a"), &key).is_err(), "{own}");
        let chat = format!("postern/org/a/chat/{own}");
        assert!(names.chat(&org("a"), &chat).is_ok(), "{own}");
        assert!(names.key(&org("a"), &chat).is_err(), "{own}");
    }
    for foreign in [
        "postern/org/b/keys/openai",
        "postern/org/a",
        "postern/org/a/",
        "postern/org/a/openai",
        "postern/org/a/callback-signing",
        "postern/org/a/keys",
        "postern/org/a/keys/",
        "postern/org/a/keys/#key",
        "postern/org/a/keys/openai#",
        "postern/org/ab/keys/openai",
        "postern/org/a/keys/../../b/keys/openai",
        "postern/org/a/keys/./x",
        "postern/org/a/keys//x",
        "postern/org/a#/keys/x",
        "postern/org/b#postern/org/a/keys/x",
        "postern/legacy/x",
        "postern/system/openai",
        "prod/db",
        "arn:aws:secretsmanager:eu-central-1:1:secret:postern/org/a/keys/x",
        "",
    ] {
        for refused in [
            names.key(&org("a"), foreign).unwrap_err(),
            names.chat(&org("a"), foreign).unwrap_err(),
        ] {
            assert_eq!(
                refused.code,
                Code::SecretRefOutsideOrganization,
                "{foreign}"
            );
        }
    }
}

#[test]
fn the_name_that_is_compared_is_the_name_that_is_read() {
    let names = SecretNames::new("postern/");
    let permit = names.key(&org("a"), "postern/org/a/keys/x#k#l").unwrap();
    assert_eq!(
        permit.0.home,
        Home::Manager {
            id: "postern/org/a/keys/x".into()
        }
    );
    assert_eq!(permit.0.json_key.as_deref(), Some("k#l"));
}

#[test]
fn a_sealed_ref_reads_only_its_own_kind_of_its_own_organization() {
    let names = SecretNames::new("postern/");
    let key = names.key(&org("a"), "sealed:keys/team/x#k#l").unwrap();
    let id = key.sealed().unwrap();
    assert_eq!(
        (id.organization.as_str(), id.name.as_str()),
        ("a", "keys/team/x")
    );
    assert_eq!(key.0.json_key.as_deref(), Some("k#l"));
    assert!(names.chat(&org("a"), "sealed:chat/x").is_ok());
    assert!(names.key(&org("a"), "sealed:chat/x").is_err());
    assert!(names.chat(&org("a"), "sealed:keys/x").is_err());
    for refused in [
        "sealed:",
        "sealed:keys/",
        "sealed:keys/#k",
        "sealed:keys/x#",
        "sealed:keys/../chat/x",
        "sealed:keys//x",
        "sealed:oauth/x",
        "sealed:callback-signing",
        "sealed:x",
        "sealed:a/keys/x",
        "sealed:sealed:keys/x",
        "sealed:postern/org/a/keys/x",
        "Sealed:keys/x",
        " sealed:keys/x",
    ] {
        let error = names.key(&org("a"), refused).unwrap_err();
        assert_eq!(error.code, Code::SecretRefOutsideOrganization, "{refused}");
        assert!(
            error.message().contains("sealed:keys/name"),
            "{}",
            error.message()
        );
        assert!(names.chat(&org("a"), refused).is_err(), "{refused}");
        assert!(names.legacy(refused).is_err(), "{refused}");
    }
    assert!(names.legacy("sealed:keys/x").is_err());
}

#[test]
fn a_permit_takes_its_own_row_and_no_other() {
    let names = SecretNames::new("postern/");
    let row = |organization: &str, name: &str| {
        let id = SealedId {
            organization: org(organization),
            name: SealedName::parse(name).unwrap(),
        };
        let sealed = Sealed {
            version: 1,
            key_id: "k".into(),
            sealed: vec![],
        };
        (id, sealed)
    };
    let permit = || names.key(&org("a"), "sealed:keys/x").unwrap();
    let others = [row("b", "keys/x"), row("a", "keys/y"), row("a", "chat/x")];
    let others: SealedRows = others.into_iter().collect();
    assert!(!permit().found_in(&others).is_found());
    let own: SealedRows = [row("b", "keys/x"), row("a", "keys/x")]
        .into_iter()
        .collect();
    assert!(permit().found_in(&own).is_found());
    // What is not there any more is not kept from an earlier look.
    assert!(!permit().found_in(&own).found_in(&others).is_found());
}
