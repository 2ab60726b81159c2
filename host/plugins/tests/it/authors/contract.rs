//! The contract keeps the promise of its own file: inside 0.1.x only interfaces are added.

use std::collections::BTreeMap;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Each block at the outermost level by its heading, without comments and with single blanks. The package is a block
/// without a body.
fn blocks(wit: &str) -> BTreeMap<String, String> {
    let code: Vec<&str> = wit
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let code: String = code.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut blocks = BTreeMap::new();
    let (mut start, mut depth) = (0, 0_u32);
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' => {}
            _ => continue,
        }
        if depth == 0 && character != '{' {
            let block = code[start..=at].trim();
            let heading = block.split(" {").next().unwrap().to_owned();
            blocks.insert(heading, block.to_owned());
            start = at + 1;
        }
    }
    assert_eq!(depth, 0, "braces fit");
    blocks
}

#[test]
fn what_contract_0_1_0_has_is_as_it_was() {
    let now = blocks(&read("../../wit/backend.wit"));
    let released = blocks(&read("../../tests/contract-0.1.0/wit/backend.wit"));
    assert!(
        released.len() > 6 && released.contains_key("interface types"),
        "{:?}",
        released.keys()
    );
    for (heading, block) in &released {
        let Some(found) = now.get(heading) else {
            panic!("contract 0.1.0 has `{heading}`, and wit/backend.wit no longer does");
        };
        // A world may import more, an interface may not even gain a function: it would be imported by its whole name.
        if heading.starts_with("world") {
            for line in block.split_inclusive(';') {
                let line = line.split('{').next_back().unwrap().trim_matches(['}', ' ']);
                assert!(found.contains(line), "`{heading}` of contract 0.1.0 has `{line}`");
            }
        } else {
            assert_eq!(found, block, "`{heading}` is not what it was at contract 0.1.0");
        }
    }
}

#[test]
fn a_changed_record_is_found_and_another_interface_is_none() {
    let released = "package a:b@0.1.0; /// Words.\ninterface i { record r { /// More.\n a: string, } f: func(); }";
    let more = format!("{released} interface j {{ g: func(); }}");
    assert_eq!(blocks(released)["interface i"], blocks(&more)["interface i"]);
    assert!(blocks(&more).contains_key("interface j") && blocks(&more).contains_key("package a:b@0.1.0;"));
    let changed = released.replace("a: string,", "a: string, b: string,");
    assert_ne!(blocks(released)["interface i"], blocks(&changed)["interface i"]);
    let reworded = released.replace("More", "Other words");
    assert_eq!(blocks(released), blocks(&reworded));
}
