//! A StringList of `name=value` as a JSON object.
//!
//! A message names the position of what is wrong and nothing else: any part of the list may be secret.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The JSON object of the pairs in a StringList. A value may contain `=`; of a name, blanks around it do
/// not count (`a=1, b=2`).
///
/// # Errors
///
/// What is wrong, with positions from 1.
pub fn object(list: &str) -> Result<String, String> {
    let mut pairs: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (position, entry) in (1..).zip(list.split(',')) {
        let Some((name, value)) = entry.split_once('=') else {
            return Err(format!("entry {position} has no = between name and value"));
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("entry {position} has no name before its ="));
        }
        match pairs.entry(name) {
            Entry::Vacant(slot) => {
                slot.insert((position, value));
            }
            Entry::Occupied(earlier) => {
                return Err(format!("entries {} and {position} have the same name", earlier.get().0));
            }
        }
    }
    let object: BTreeMap<&str, &str> = pairs.into_iter().map(|(name, (_, value))| (name, value)).collect();
    serde_json::to_string(&object).map_err(|_| "it cannot be written as JSON".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_an_object() {
        for (list, wanted) in [
            ("a=1", r#"{"a":"1"}"#),
            ("b=2,a=1", r#"{"a":"1","b":"2"}"#),
            ("a=1, b=2", r#"{"a":"1","b":"2"}"#),
            ("a=", r#"{"a":""}"#),
            ("a=b=c", r#"{"a":"b=c"}"#),
            (r#"a= "x" "#, r#"{"a":" \"x\" "}"#),
        ] {
            assert_eq!(object(list).unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_wrong_is_told_by_position_and_gives_nothing_away() {
        for (list, wanted) in [
            ("hunter2", "entry 1 has no = between name and value"),
            ("a=hunter2,hunter3", "entry 2 has no = between name and value"),
            ("a=hunter2,", "entry 2 has no = between name and value"),
            ("a=1,=hunter2", "entry 2 has no name before its ="),
            ("hunter=1,b=2,hunter=3", "entries 1 and 3 have the same name"),
        ] {
            let told = object(list).unwrap_err();
            assert_eq!(told, wanted);
            assert!(!told.contains("hunter"));
        }
    }
}
