//! Holds the direction of imports: a room imports rooms of lower floors, and no other.

use std::{fs, path::Path};

/// The rooms, floor by floor. Rooms of one floor never import each other.
const FLOORS: [&[&str]; 11] = [
    &[
        "id", "host", "digest", "deadline", "moment", "literal", "rate",
    ],
    &["error", "config"],
    &["telemetry", "secret", "wire"],
    &["policy"],
    &["provider"],
    &["authority"],
    &["question"],
    &["store", "chat"],
    &["base", "judge"],
    &["interactions"],
    &["gate"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms that a source names after `crate::`. Each must be a room: the names that `lib.rs` exports
/// again are for the functions.
fn imports(source: &str) -> impl Iterator<Item = &str> {
    let after = source.split("crate::").skip(1);
    after.map(|text| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &text[..end.unwrap_or(text.len())]
    })
}

fn visit(folder: &Path, room: Option<&str>, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let own = room.unwrap_or(stem);
        if path.is_dir() {
            visit(&path, Some(own), wrong);
        } else if path.extension().is_some_and(|kind| kind == "rs")
            && !matches!(own, "lib" | "rooms")
        {
            let Some(own_floor) = floor(own) else {
                wrong.push(format!("{own} has no floor"));
                continue;
            };
            for other in imports(&fs::read_to_string(&path).unwrap()) {
                if other != own && floor(other).is_none_or(|floor| floor >= own_floor) {
                    wrong.push(format!("{} imports {other}", path.display()));
                }
            }
        }
    }
}

#[test]
fn a_room_imports_only_rooms_of_lower_floors() {
    let mut wrong = Vec::new();
    visit(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        None,
        &mut wrong,
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
