//! The messages that the pictures in `docs/chat.md` show. `docs/pictures/take.py` makes the pictures from the files,
//! and a test holds that the files are what the code sends.

use super::{Call, EVERYWHERE, On};
use crate::chat::Form;
use aws_lc_rs::digest::{SHA256, digest as hash};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

const LONG: &str = "The migration of the orders table is ready. It adds the column `currency`, fills it for 41 million rows and then makes it required.

What it does, step by step:
1. It adds the column without a default, which takes no lock that anybody notices.
2. It fills 10,000 rows at a time, with a pause of 200 ms in between. On the copy of Monday this took 3 hours and 12 minutes.
3. It adds the check as not valid, and validates it afterwards, so that writers never wait.
4. It removes the old trigger in the next release, not in this one.

What can go wrong: the replica in Frankfurt was up to 40 seconds behind during the test. The reports that read from it would be late. Nobody else reads from it at night.

How to go back: until step 3 the column can be dropped at any time. After it, the former release still works, because it never reads the column.

When should it start?";

/// The three cards, by the names of their files.
fn pictures() -> Vec<(String, Call)> {
    let approval = json!({"kind": "approval", "tool": "github/merge_pull_request", "args": {
        "repository": "acme/shop", "pull_request": 418, "method": "squash",
        "checks": {"tests": "passed", "coverage": 0.94}, "labels": ["payments", "reviewed"]}});
    let question = json!({"kind": "question", "question": "Build 1.42.0 is green. Deploy it to production?",
        "options": ["Deploy now", "Tomorrow at 9", "Not yet"]});
    let long =
        json!({"kind": "question", "question": LONG, "options": ["Tonight", "On Sunday", "Never"]});
    let on = |on: On| {
        let named = move |card: &str| format!("{}-{card}", on.name());
        [
            (named("approval"), on.post(&approval, Form::Buttons)),
            (named("answered"), on.edit(&question, "Deploy now")),
            (named("long"), on.post(&long, Form::Buttons)),
        ]
    };
    EVERYWHERE.into_iter().flat_map(on).collect()
}

fn file(name: &str, kind: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    folder.join(format!("{name}.{kind}"))
}

fn written((call, body): &Call) -> Value {
    json!({"call": call, "body": body})
}

#[test]
fn the_pictures_show_what_is_sent() {
    for (name, call) in pictures() {
        let stored = fs::read(file(&name, "json")).unwrap_or_default();
        let message: Value = serde_json::from_slice(&stored).unwrap_or_default();
        assert!(
            message == written(&call),
            "{name} is drawn differently now: regenerate the pictures, as CONTRIBUTING.md says"
        );
        // A picture names the file that it was made from.
        let hash = crate::digest::to_hex(hash(&SHA256, &stored).as_ref());
        let note = format!("message-sha256\0{hash}");
        let picture = fs::read(file(&name, "png")).unwrap();
        assert!(
            picture
                .windows(note.len())
                .any(|part| part == note.as_bytes()),
            "{name}.png shows an old message: regenerate it, as CONTRIBUTING.md says"
        );
    }
}

/// Writes the files again.
#[test]
#[ignore = "it writes files"]
fn write_the_messages_of_the_pictures() {
    for (name, call) in pictures() {
        let text = serde_json::to_string_pretty(&written(&call)).unwrap();
        fs::write(file(&name, "json"), format!("{text}\n")).unwrap();
    }
}
