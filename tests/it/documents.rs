//! What the documents say holds: of the sources, of the template and of each other. Every `*.md` file of the
//! repository is read, so a new document is covered as soon as it exists.

mod chat;
mod clients;
mod control;
mod environment;
mod errors;
mod examples;
mod markdown;
mod operations;
mod prose;
mod providers;
mod sources;
mod threats;

pub(crate) use control::commands;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A file of the repository; empty where there is none.
fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_default()
}

/// All files below a folder whose names end so, by their paths from the root. What is built or fetched is left out.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir()
                && !name.starts_with('.')
                && !["target", "node_modules"].contains(&name)
            {
                folders.push(path);
            } else if name.ends_with(ending) {
                let path = path.strip_prefix(root()).unwrap();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Compares two sets of names, and says what each lacks.
fn same(
    of_documents: impl IntoIterator<Item = impl Into<String>>,
    of_sources: impl IntoIterator<Item = impl Into<String>>,
    what: &str,
) {
    use std::collections::BTreeSet;
    let documented: BTreeSet<String> = of_documents.into_iter().map(Into::into).collect();
    let real: BTreeSet<String> = of_sources.into_iter().map(Into::into).collect();
    assert!(!real.is_empty(), "{what}: the sources have none");
    let missing: Vec<_> = real.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&real).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "{what}: not documented {missing:?}; documented and not real {invented:?}"
    );
}
