//! The reference of the plugin contract, from its WIT file.
//!
//! The file is what plugin authors build against, and its comments say what holds. A page written by hand would
//! say something else after the first change, so this one has no sentence of its own about the contract.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use wit_parser::{Docs, Function, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeOwner, World, WorldItem};

/// Where the page is, below the root of the project.
pub const PAGE: &str = "docs/reference/contract.md";

/// What a plugin exports comes first, the rest in the order of the file.
const FIRST: &str = "backend";

/// The page as Markdown.
pub fn page(root: &Path) -> anyhow::Result<String> {
    let mut wit = Resolve::default();
    let (package, _) = wit.push_dir(root.join("wit")).context("cannot read wit/")?;
    let package = wit.packages.get(package).context("wit/ holds no package")?;
    let mut page = format!(
        "# The plugin contract\n\nPackage `{}`. Made by `cargo xtask generate` from [`wit/backend.wit`](../../wit/backend.wit), whose comments\n\
         these are. [Write a backend](../guide/write-a-backend.md) shows it in use.\n\n{}\n",
        package.name,
        prose(&package.docs)
    );
    let interfaces = || package.interfaces.iter();
    let ordered = interfaces()
        .filter(|(name, _)| *name == FIRST)
        .chain(interfaces().filter(|(name, _)| *name != FIRST));
    for (name, id) in ordered {
        let interface = wit.interfaces.get(*id).context("an interface that is not there")?;
        write_interface(&mut page, &wit, name, interface);
    }
    for (name, id) in &package.worlds {
        let world = wit.worlds.get(*id).context("a world that is not there")?;
        write_world(&mut page, &wit, name, world);
    }
    Ok(page)
}

fn write_interface(page: &mut String, wit: &Resolve, name: &str, interface: &Interface) {
    let _ = write!(page, "\n## `{name}`\n\n{}\n", prose(&interface.docs));
    for (
        function,
        Function {
            params, result, docs, ..
        },
    ) in &interface.functions
    {
        let params: Vec<_> = params
            .iter()
            .map(|param| format!("{}: {}", param.name, shown(wit, &param.ty)))
            .collect();
        let result = result.map(|ty| format!(" -> {}", shown(wit, &ty))).unwrap_or_default();
        let _ = write!(
            page,
            "\n### `{name}.{function}`\n\n```wit\n{function}: func({}){result};\n```\n\n{}\n",
            params.join(", "),
            prose(docs)
        );
    }
    for (name, id) in &interface.types {
        if let Some(definition) = wit.types.get(*id) {
            write_type(page, wit, name, definition);
        }
    }
}

/// A type, unless it is one of another interface under the same name.
fn write_type(page: &mut String, wit: &Resolve, name: &str, definition: &TypeDef) {
    let (kind, head, members): (_, _, Vec<_>) = match &definition.kind {
        TypeDefKind::Type(Type::Id(_)) => return,
        TypeDefKind::Type(other) => (format!("Another name of `{}`.", shown(wit, other)), "", Vec::new()),
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter();
            let rows = fields.map(|field| (&field.name, Some(&field.ty), &field.docs));
            (String::new(), "field", rows.collect())
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let rows = cases.map(|case| (&case.name, case.ty.as_ref(), &case.docs));
            (String::new(), "case", rows.collect())
        }
        TypeDefKind::Enum(cases) => {
            let rows = cases.cases.iter().map(|case| (&case.name, None, &case.docs));
            (String::new(), "case", rows.collect())
        }
        other => (format!("A {}.", other.as_str()), "", Vec::new()),
    };
    let _ = write!(page, "\n### `{name}`\n");
    for text in [prose(&definition.docs), kind] {
        if !text.is_empty() {
            let _ = write!(page, "\n{text}\n");
        }
    }
    if members.is_empty() {
        return;
    }
    let has_types = members.iter().any(|(_, ty, _)| ty.is_some());
    let is_documented = members.iter().any(|(_, ty, docs)| !meaning(wit, *ty, docs).is_empty());
    let columns = |cells: [&str; 3]| {
        let [name, ty, meaning] = cells;
        let wanted = [(name, true), (ty, has_types), (meaning, is_documented)];
        let cells: Vec<_> = wanted.iter().filter(|(_, is)| *is).map(|(cell, _)| *cell).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    page.push('\n');
    page.push_str(&columns([head, "type", "meaning"]));
    page.push_str(&columns(["---", "---", "---"]).replace(' ', ""));
    for (name, ty, docs) in members {
        let linked = ty.map(|ty| linked(wit, ty)).unwrap_or_default();
        page.push_str(&columns([
            &format!("`{name}`"),
            &linked,
            &cell(&meaning(wit, ty, docs)),
        ]));
    }
}

fn write_world(page: &mut String, wit: &Resolve, name: &str, world: &World) {
    let _ = write!(
        page,
        "\n## World `{name}`\n\n{}\n\n```wit\nworld {name} {{\n",
        prose(&world.docs)
    );
    for (word, items) in [("import", &world.imports), ("export", &world.exports)] {
        for (key, item) in items {
            // What an import only brings along for its types says nothing to an author.
            let is_interface = matches!(item, WorldItem::Interface { .. });
            let name = wit.name_world_key(key);
            if is_interface {
                let _ = writeln!(page, "    {word} {name};");
            }
        }
    }
    page.push_str("}\n```\n");
}

/// What a member means: its own words, or else the first sentence about its type.
fn meaning(wit: &Resolve, ty: Option<&Type>, docs: &Docs) -> String {
    if !docs.is_empty() {
        return prose(docs);
    }
    let named = ty
        .and_then(|ty| named(wit, ty))
        .map(|(_, definition)| prose(&definition.docs));
    let text = named.unwrap_or_default();
    text.split_once(". ")
        .map_or(text.clone(), |(first, _)| format!("{first}."))
}

/// A type as WIT writes it.
fn shown(wit: &Resolve, ty: &Type) -> String {
    let of = |ty: &Option<Type>| ty.as_ref().map_or("_".to_owned(), |ty| shown(wit, ty));
    let Type::Id(id) = ty else {
        return primitive(ty).to_owned();
    };
    let Some(definition) = wit.types.get(*id) else {
        return String::new();
    };
    if let Some(name) = &definition.name {
        return name.clone();
    }
    match &definition.kind {
        TypeDefKind::List(ty) => format!("list<{}>", shown(wit, ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", shown(wit, ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", of(&result.ok), of(&result.err)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(|ty| shown(wit, ty)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        other => other.as_str().to_owned(),
    }
}

/// The same, leading to the section of the type that it names.
fn linked(wit: &Resolve, ty: &Type) -> String {
    let shown = shown(wit, ty);
    match named(wit, ty) {
        Some((name, _)) => format!("[`{shown}`](#{name})"),
        None => format!("`{shown}`"),
    }
}

/// The type with a name of its own that is at the bottom of lists and options.
fn named<'a>(wit: &'a Resolve, ty: &Type) -> Option<(&'a str, &'a TypeDef)> {
    let Type::Id(id) = ty else { return None };
    let definition = wit.types.get(*id)?;
    match (&definition.name, &definition.kind, definition.owner) {
        (Some(_), TypeDefKind::Type(ty @ Type::Id(_)), _) => named(wit, ty),
        (Some(name), _, TypeOwner::Interface(_)) => Some((name, definition)),
        (_, TypeDefKind::List(ty) | TypeDefKind::Option(ty), _) => named(wit, ty),
        _ => None,
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext | Type::Id(_) => "",
    }
}

fn prose(docs: &Docs) -> String {
    docs.contents.as_deref().unwrap_or_default().trim().to_owned()
}

/// A text as one cell of a table.
fn cell(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::root;

    #[test]
    fn every_function_type_and_member_of_the_contract_is_on_its_page() {
        let page = page(&root()).unwrap();
        for line in [
            "fetch: func(call: call, requests: list<request>) -> result<list<outcome>, error>;",
            "set: func(key: string, value: list<u8>, ttl-ms: u64) -> result<_, session-error>;",
            "| `credentials` | [`list<credential-want>`](#credential-want) | The credentials that the plugin wants.",
            "| `selector` | [`selector`](#selector) | Which value or values are meant. |",
            "| `not-found` |  | The store has no such entry, or no such version of it. |",
            "Another name of `string`.",
            "    export keyhole:backend/backend@0.1.0;",
            "    import wasi:http/outgoing-handler@0.2.12;",
        ] {
            assert!(page.contains(line), "{line}");
        }
        let wit = std::fs::read_to_string(root().join("wit/backend.wit")).unwrap();
        for comment in wit.lines().filter_map(|line| line.trim().strip_prefix("/// ")) {
            let words = cell(comment);
            assert!(cell(&page).contains(&words), "{comment}");
        }
    }

    #[test]
    fn a_type_is_described_where_it_is_defined_and_nowhere_else() {
        let page = page(&root()).unwrap();
        for name in ["error", "request", "json", "level", "credential-error"] {
            assert_eq!(page.matches(&format!("\n### `{name}`\n")).count(), 1, "{name}");
        }
    }
}
