//! What the sources say, read as text: where no type lists it.

use super::{files, read};

/// A source file that ships, without its tests.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// All of them.
pub fn all() -> Vec<Source> {
    let mut all = Vec::new();
    for folder in [
        "shared/src",
        "functions/proxy/src",
        "functions/webhooks/src",
        "functions/sweep/src",
        "functions/control/src",
    ] {
        for path in files(folder, ".rs") {
            if path.ends_with("/tests.rs") {
                continue;
            }
            let text = read(&path);
            let tests = text.find("#[cfg(test)]\nmod tests");
            let text = text[..tests.unwrap_or(text.len())].to_owned();
            all.push(Source { path, text });
        }
    }
    assert!(all.len() > 50, "{}", all.len());
    all
}

impl Source {
    /// The first argument after each `before`: a text, or a constant of this file that holds one. White space
    /// in the source does not count.
    pub fn arguments(&self, before: &str) -> Vec<String> {
        let dense: String = self.text.split_whitespace().collect();
        let mut found = Vec::new();
        for (at, _) in dense.match_indices(before) {
            let rest = &dense[at + before.len()..];
            if let Some(text) = quoted(rest) {
                found.push(text.to_owned());
                continue;
            }
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                .collect();
            let constant = format!("const{name}:&str=");
            if let Some(at) = dense.find(&constant).filter(|_| !name.is_empty()) {
                found.extend(quoted(&dense[at + constant.len()..]).map(str::to_owned));
            }
        }
        found
    }
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.split('"').next()
}
