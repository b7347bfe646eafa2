//! Links, lengths and lists.

use super::markdown::{Document, code};
use super::{files, read, root, same};
use serde_json::Value;
use std::fs;
use std::path::{Component, Path, PathBuf};

#[test]
fn the_readme_is_read_in_a_few_minutes() {
    let words = read("README.md").split_whitespace().count();
    assert!((900..=1200).contains(&words), "{words} words");
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in Document::all() {
        for link in document.links() {
            if ["https://", "http://", "mailto:"]
                .iter()
                .any(|far| link.starts_with(far))
            {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = resolved(&document.path, file);
            let written = root().join(&target).exists();
            let found = written
                && (anchor.is_empty()
                    || Document::read(&target)
                        .anchors()
                        .iter()
                        .any(|own| own == anchor));
            if !found {
                broken.push(format!("{}: {link}", document.path));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_picture_is_shown_and_described() {
    let mut shown = Vec::new();
    for document in Document::all() {
        for after in document.prose.join("\n").split("![").skip(1) {
            let (described, rest) = after.split_once("](").unwrap();
            let (picture, _) = rest.split_once(')').unwrap();
            let words = described.split_whitespace().count();
            assert!(words > 5, "{}: {picture} is not described", document.path);
            shown.push(resolved(&document.path, picture));
        }
    }
    same(shown, files("docs", ".png"), "pictures");
    for picture in files("docs", ".png") {
        let size = fs::metadata(root().join(&picture)).unwrap().len();
        assert!(size < 60 << 10, "{picture} has {size} bytes");
    }
}

/// The path from the root of what a document's relative link names.
fn resolved(document: &str, link: &str) -> String {
    if link.is_empty() {
        return document.to_owned();
    }
    let mut path: PathBuf = Path::new(document).parent().unwrap().to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{document}: {link} leaves the repository"),
            Component::Normal(name) => path.push(name),
            other => panic!("{document}: {link} has {other:?}"),
        }
    }
    path.to_str().unwrap().to_owned()
}

/// A list of providers is a line, or the first column of a table, with five of them or more.
#[test]
fn every_list_of_the_built_in_providers_is_complete() {
    let providers: Vec<Value> = serde_json::from_str(&read("shared/src/providers.json")).unwrap();
    let slugs: Vec<&str> = providers
        .iter()
        .map(|one| one["slug"].as_str().unwrap())
        .collect();
    let is_list = |names: &[&str]| names.iter().filter(|name| slugs.contains(name)).count() >= 5;
    let mut lists = 0;
    for document in Document::all() {
        let rows = document.all_rows();
        let column: Vec<&str> = rows.iter().flat_map(|row| code(&row[0])).collect();
        let column = column
            .into_iter()
            .filter(|name| slugs.contains(name))
            .collect();
        let lines = document
            .prose
            .iter()
            .filter(|line| !line.trim().starts_with('|'));
        for names in lines.map(|line| code(line)).chain([column]) {
            if is_list(&names) {
                same(names, slugs.clone(), &document.path);
                lists += 1;
            }
        }
    }
    assert!(lists > 0, "no document lists the providers");
}
