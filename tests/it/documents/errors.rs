//! docs/errors.md and the codes.

use super::markdown::{Document, code};
use super::same;
use postern::{Code, Error};

#[test]
fn every_error_is_documented_with_its_status_and_whether_to_retry() {
    let rows = Document::read("docs/errors.md").all_rows();
    let documented = rows.iter().map(|row| {
        let retry = match row[2].as_str() {
            "yes" => "retry-after",
            "no" | "later" => "none",
            other => panic!("{}: {other}", row[0]),
        };
        format!("{} {} {retry}", code(&row[0])[0], row[1])
    });
    let real = Code::ALL.iter().map(|code| {
        let retry = Error::from(*code).retry_after();
        let retry = retry.map_or("none", |_| "retry-after");
        format!("{} {} {retry}", code.as_str(), code.status().as_u16())
    });
    same(documented, real, "errors");
    assert_eq!(rows.len(), Code::ALL.len(), "a code stands twice");
}

#[test]
fn no_document_gives_a_code_another_status() {
    for document in Document::all() {
        for line in &document.prose {
            for code in Code::ALL {
                // As in "503 `database_unavailable`".
                let name = format!(" `{}`", code.as_str());
                for (at, _) in line.match_indices(&name) {
                    let before = line[..at].rsplit(|c: char| !c.is_ascii_digit()).next();
                    let Some(Ok(status)) = before.map(str::parse::<u16>) else {
                        continue;
                    };
                    let real = code.status().as_u16();
                    assert_eq!(status, real, "{}: {line}", document.path);
                }
            }
        }
    }
}
