//! Which texts of a document are names of roles, so that a namespace's rules can judge them.
//!
//! A schema says so with `"x-keyhole-claim": "role"`, at any depth, behind references and in every branch. What
//! is not judged is permitted, so in doubt a text counts: a branch counts whether or not it is the one that
//! applies, and `patternProperties` apply to every name. A mark covers everything below it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{MOST_STEPS, nodes};

/// KES's names of roles.
const ROLES: [&str; 2] = ["roleArn", "vaultRole"];

/// The marks of a schema, in the shape of the values that it describes.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marked: bool,
    /// Members that `properties` names.
    named: BTreeMap<String, Self>,
    /// Members that it does not name.
    others: Option<Box<Self>>,
    /// Every member and item.
    any: Vec<Self>,
    /// The value itself, described by another schema.
    same: Vec<Self>,
}

impl Marks {
    /// The value is a role.
    pub(super) fn mark(&mut self) {
        self.marked = true;
    }

    /// The value is described by these as well.
    pub(super) fn same(&mut self, marks: Self) {
        self.same.extend(Some(marks).filter(Self::tells));
    }

    /// Every member or item is described by these.
    pub(super) fn any(&mut self, marks: Self) {
        self.any.extend(Some(marks).filter(Self::tells));
    }

    /// Members that are not named here are described by these.
    pub(super) fn others(&mut self, marks: Self) {
        self.others = Some(Box::new(marks));
    }

    /// The member of this name is described by these.
    pub(super) fn named(&mut self, name: &str, marks: Self) {
        self.named.insert(name.to_owned(), marks);
    }

    /// Whether anything is a role.
    pub(super) fn has_marks(&self) -> bool {
        let below = self.named.values().chain(self.others.as_deref());
        self.marked || below.chain(&self.any).chain(&self.same).any(Self::has_marks)
    }

    /// Whether these say anything. Without a mark they still name members.
    fn tells(&self) -> bool {
        let empty = self.named.is_empty() && self.any.is_empty() && self.same.is_empty();
        self.marked || self.others.is_some() || !empty
    }

    /// The roles in members of a document, `size` being that of the schema. KES's names count on the top level,
    /// marked or not.
    pub(super) fn roles<'a>(
        &self,
        members: impl Iterator<Item = (&'a String, &'a Json)> + Clone,
        size: usize,
    ) -> Vec<String> {
        let steps = members
            .clone()
            .map(|(_, value)| nodes(value))
            .sum::<usize>()
            .saturating_mul(size);
        // Such a document is refused. Should it ever not be, everything in it is a role.
        let (here, all) = match steps > MOST_STEPS {
            true => (Vec::new(), true),
            false if self.has_marks() => (self.with_same(), false),
            false => (Vec::new(), false),
        };
        let marked = all || here.iter().any(|marks| marks.marked);
        let mut roles = Vec::new();
        for (name, value) in members {
            let marked = marked || ROLES.contains(&name.as_str());
            collect(&below(&here, name), value, marked, &mut roles);
        }
        roles
    }

    /// These and all that describe the same value.
    fn with_same(&self) -> Vec<&Self> {
        let mut all = vec![self];
        let mut next = 0;
        while let Some(marks) = all.get(next).copied() {
            all.extend(&marks.same);
            next += 1;
        }
        all
    }
}

/// What describes the member of this name.
fn below<'a>(here: &[&'a Marks], name: &str) -> Vec<&'a Marks> {
    let of = |marks: &&'a Marks| {
        let marks = *marks;
        let by_name = marks.named.get(name).or(marks.others.as_deref());
        by_name.into_iter().chain(&marks.any)
    };
    here.iter().flat_map(of).collect()
}

/// The roles in a value that is described by `marks`, and by something above it that is `marked` or not.
fn collect(marks: &[&Marks], value: &Json, marked: bool, roles: &mut Vec<String>) {
    let here: Vec<&Marks> = marks.iter().flat_map(|marks| marks.with_same()).collect();
    let marked = marked || here.iter().any(|marks| marks.marked);
    if here.is_empty() && !marked {
        return;
    }
    match value {
        Json::Null => {}
        Json::String(text) if text.is_empty() => {}
        Json::String(text) => roles.extend(marked.then(|| text.clone())),
        Json::Array(items) => {
            let any: Vec<&Marks> = here.iter().flat_map(|marks| &marks.any).collect();
            items.iter().for_each(|item| collect(&any, item, marked, roles));
        }
        Json::Object(members) => {
            for (name, member) in members {
                // A name that the schema does not give is the author's text like any other.
                if marked && !here.iter().any(|marks| marks.named.contains_key(name)) {
                    roles.push(name.clone());
                }
                collect(&below(&here, name), member, marked, roles);
            }
        }
        Json::Bool(_) | Json::Number(_) => roles.extend(marked.then(|| value.to_string())),
    }
}
