//! As much of Markdown as the documents use.

use super::{files, read};

/// A document, split into prose and fenced blocks.
pub struct Document {
    pub path: String,
    pub text: String,
    /// The text without its fenced blocks, line by line.
    pub prose: Vec<String>,
    pub blocks: Vec<Block>,
}

/// A fenced block.
pub struct Block {
    pub language: String,
    pub text: String,
    /// The document and the line of the fence.
    pub place: String,
}

impl Document {
    pub fn read(path: &str) -> Self {
        let text = read(path);
        let mut document = Self {
            path: path.to_owned(),
            text: text.clone(),
            prose: Vec::new(),
            blocks: Vec::new(),
        };
        let mut open: Option<Block> = None;
        for (at, line) in text.lines().enumerate() {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, None) => document.prose.push(line.to_owned()),
                (None, Some(language)) => {
                    open = Some(Block {
                        language: language.trim().to_owned(),
                        text: String::new(),
                        place: format!("{path}:{}", at + 1),
                    });
                }
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (Some(_), Some(_)) => document.blocks.extend(open.take()),
            }
        }
        assert!(open.is_none(), "{path}: a fence is not closed");
        document
    }

    /// All documents of the repository.
    pub fn all() -> Vec<Self> {
        let all: Vec<Self> = files("", ".md")
            .iter()
            .map(|path| Self::read(path))
            .collect();
        assert!(all.len() > 5, "{}", all.len());
        all
    }

    /// The anchors that GitHub makes of the headings.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for heading in self.prose.iter().filter_map(|line| heading(line)) {
            let anchor = anchor(heading);
            let before = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(match before {
                0 => anchor,
                before => format!("{anchor}-{before}"),
            });
        }
        anchors
    }

    /// The table rows below the heading of this text, to the next heading of any level.
    pub fn rows(&self, of: &str) -> Vec<Vec<String>> {
        let section = self
            .prose
            .iter()
            .skip_while(|line| heading(line) != Some(of))
            .skip(1);
        let section = section.take_while(|line| heading(line).is_none());
        rows(section)
    }

    /// The rows of all tables.
    pub fn all_rows(&self) -> Vec<Vec<String>> {
        rows(self.prose.iter())
    }

    /// The targets of all links.
    pub fn links(&self) -> Vec<String> {
        let text = without_code(&self.prose.join("\n"));
        let targets = text.split("](").skip(1);
        targets
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    }
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len() && text.starts_with(' ')).then(|| text.trim())
}

fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Rows without their heads and rulers. A `|` in code does not end a cell where it is written as `\|`.
fn rows<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<Vec<String>> {
    let lines: Vec<&str> = lines.map(|line| line.trim()).collect();
    let ruler = |line: &str| line.starts_with("|-") || line.starts_with("| -");
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let head = lines.get(at + 1).is_some_and(|next| ruler(next));
        if !line.starts_with('|') || ruler(line) || head {
            continue;
        }
        let inner = line.trim_start_matches('|').trim_end_matches('|');
        let cells = inner.replace("\\|", "\u{1}");
        let cells = cells
            .split('|')
            .map(|cell| cell.trim().replace('\u{1}', "|"));
        rows.push(cells.collect());
    }
    rows
}

/// What stands between backticks.
pub fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn without_code(text: &str) -> String {
    text.split('`').step_by(2).collect()
}

#[test]
fn anchors_are_as_github_makes_them() {
    assert_eq!(anchor("Where a change begins"), "where-a-change-begins");
    assert_eq!(anchor("`judge`: a model"), "judge-a-model");
    assert_eq!(anchor("What's new, in 2.0?"), "whats-new-in-20");
}
