//! A page as its reader sees it: its fenced blocks, in order.

use std::fs;
use std::path::PathBuf;

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What stands after the fence, e.g. `sh`.
    pub kind: String,
    /// What is in it.
    pub text: String,
    /// The line of the page that it begins on.
    pub line: usize,
}

/// The blocks of a page below `docs/`.
pub fn blocks(page: &str) -> Vec<Block> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs")).join(page);
    read(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn read(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(block), Some("")) => {
                found.push(block.clone());
                open = None;
            }
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(kind)) => {
                open = Some(Block {
                    kind: kind.to_owned(),
                    text: String::new(),
                    line: number + 1,
                });
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed: {open:?}");
    found
}

#[test]
fn blocks_come_in_order_with_their_kind_and_line() {
    let blocks = read("a\n```sh\nb\nc\n```\nd\n```text\n```\n");
    let told: Vec<_> = blocks
        .iter()
        .map(|block| (block.kind.as_str(), block.text.as_str(), block.line))
        .collect();
    assert_eq!(told, [("sh", "b\nc\n", 2), ("text", "", 7)]);
}
