//! docs/providers.md and the built-in list, shared/src/providers.json.

use super::markdown::{Document, code};
use super::{read, same};
use serde_json::Value;

/// The headings whose tables list the providers that have a host.
const WITH_A_HOST: [&str; 5] = [
    "Models",
    "Code",
    "Chat and mail",
    "Data and operations",
    "Search and speech",
];

fn list() -> Vec<Value> {
    serde_json::from_str(&read("shared/src/providers.json")).unwrap()
}

fn page() -> Document {
    Document::read("docs/providers.md")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{value}"))
}

/// The rows of some tables by the slug in the first cell.
fn rows(headings: &[&str]) -> Vec<(String, Vec<String>)> {
    let page = page();
    let rows = headings.iter().flat_map(|heading| page.rows(heading));
    rows.map(|row| (code(&row[0])[0].to_owned(), row)).collect()
}

/// The row's words for how a credential is sent, as the data have it.
fn sent(auth: &Value) -> String {
    let mut words = if let Some(headers) = auth["headers"].as_array() {
        let names = headers
            .iter()
            .map(|one| format!("`{}`", text(one, "header")));
        names.collect::<Vec<_>>().join(", ")
    } else if let Some(header) = auth["header"].as_str() {
        match auth["scheme"].as_str() {
            Some(scheme) => format!("`{header}: {scheme}`"),
            None => format!("`{header}`"),
        }
    } else if let Some(query) = auth["query"].as_str() {
        format!("`?{query}=`")
    } else if let Some(path) = auth["path"].as_str() {
        format!("path: `{path}`")
    } else if auth["aws_sigv4"].is_object() {
        "AWS Signature Version 4".to_owned()
    } else {
        match (text(auth, "basic"), auth["username"].as_str()) {
            ("username", None) => "Basic, as user name".to_owned(),
            ("password", Some(name)) => format!("Basic, user name `{name}`"),
            ("password", None) => "Basic, user name from the client".to_owned(),
            _ => panic!("{auth}"),
        }
    };
    for (name, value) in auth["constants"].as_object().into_iter().flatten() {
        words += &format!(" and `{name}: {}`", value.as_str().unwrap());
    }
    words
}

#[test]
fn every_provider_has_one_row_and_every_row_a_provider() {
    let list = list();
    let (with_a_host, templates): (Vec<_>, Vec<_>) = list
        .iter()
        .partition(|entry| entry.get("base_url").is_some());
    for (headings, entries) in [
        (&WITH_A_HOST[..], with_a_host),
        (&["Templates"][..], templates),
    ] {
        let rows = rows(headings);
        let slugs = entries.iter().map(|entry| text(entry, "slug"));
        same(rows.iter().map(|(slug, _)| slug), slugs, "providers");
        assert_eq!(rows.len(), entries.len(), "a provider stands twice");
    }
}

#[test]
fn every_entry_names_the_page_that_proves_it() {
    for entry in list() {
        let docs = text(&entry, "docs");
        assert!(docs.starts_with("https://"), "{}: {docs}", entry["slug"]);
    }
}

#[test]
fn every_row_says_what_the_list_says() {
    let rows = [rows(&WITH_A_HOST), rows(&["Templates"])].concat();
    for entry in list() {
        let slug = text(&entry, "slug");
        let (_, row) = rows.iter().find(|(of, _)| of == slug).unwrap();
        assert_eq!(row[0], format!("[`{slug}`]({})", text(&entry, "docs")));
        if let Some(base_url) = entry["base_url"].as_str() {
            let host = base_url.strip_prefix("https://").unwrap();
            assert_eq!(row[1], format!("`{host}`"), "{slug}");
        }
        let oauth = entry.get("oauth_auth");
        let oauth = oauth.map(|auth| format!("; OAuth: {}", sent(auth)));
        let words = sent(&entry["auth"]) + &oauth.unwrap_or_default();
        assert_eq!(row[3], words, "{slug}");
    }
}

#[test]
fn every_status_of_a_bad_key_is_documented() {
    let rows = page().rows("Bad keys");
    let documented = rows
        .iter()
        .map(|row| format!("{} {}", code(&row[0])[0], row[1]));
    let list = list();
    let real = list.iter().filter_map(|entry| {
        let statuses = entry.get("bad_key")?.as_array().unwrap();
        let statuses: Vec<_> = statuses.iter().map(Value::to_string).collect();
        Some(format!("{} {}", text(entry, "slug"), statuses.join(", ")))
    });
    same(documented, real, "statuses of bad keys");
}

#[test]
fn every_region_is_documented() {
    let list = list();
    let regions = list.iter().filter_map(|entry| entry["regions"].as_array());
    let real = regions.flatten().map(|region| region.as_str().unwrap());
    let prose = page().prose;
    let line = prose.iter().find(|line| line.contains("The regions are "));
    let (_, regions) = line.unwrap().split_once("The regions are ").unwrap();
    same(code(regions), real, "regions");
}
