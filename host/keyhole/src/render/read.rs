//! ExternalSecrets out of a file: YAML or JSON, one or many documents, lists in them. Whatever else is in
//! there (people hand over the output of `kustomize build`) is passed over.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context as _, bail};
use keyhole_api::ExternalSecret;
use serde_json::Value as Json;

/// The largest file that is read.
const MAX_FILE: u64 = 256 << 20;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of the file.
    pub objects: Vec<ExternalSecret>,
    /// How many other objects there were.
    pub others: usize,
}

/// The ExternalSecrets in `file`, or in standard input for `-`.
pub fn read(file: &Path, namespace: &str) -> anyhow::Result<Found> {
    found_in(documents_in(file)?, namespace).with_context(|| format!("cannot read {}", shown(file)))
}

fn found_in(documents: Vec<Json>, namespace: &str) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for document in documents {
        take(document, namespace, &mut found)?;
    }
    Ok(found)
}

/// All documents in `file`, or in standard input for `-`.
pub fn documents_in(file: &Path) -> anyhow::Result<Vec<Json>> {
    let text = if file == Path::new("-") {
        bounded(io::stdin().lock())
    } else {
        File::open(file).and_then(bounded)
    };
    let cannot = || format!("cannot read {}", shown(file));
    documents(&text.with_context(cannot)?).with_context(cannot)
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

fn bounded(input: impl Read) -> io::Result<String> {
    let mut text = String::new();
    input.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("larger than {} MiB", MAX_FILE >> 20)));
    }
    Ok(text)
}

fn documents(text: &str) -> anyhow::Result<Vec<Json>> {
    if text.trim_start().starts_with('{') {
        // Several JSON documents in a row are no YAML.
        let read: Result<Vec<Json>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
        if let Ok(documents) = read {
            return Ok(documents);
        }
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 100_000,
            max_nodes: 10_000_000,
            max_events: 20_000_000,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| anyhow::anyhow!("{}", one_line(&error)))
}

/// The parser's own text draws the place over several lines.
fn one_line(error: &serde_saphyr::Error) -> String {
    error
        .without_snippet()
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn take(document: Json, namespace: &str, found: &mut Found) -> anyhow::Result<()> {
    let text = |name: &str| document.get(name).and_then(Json::as_str).unwrap_or_default();
    let (api, kind) = (text("apiVersion").to_owned(), text("kind").to_owned());
    match document {
        Json::Null => Ok(()),
        Json::Object(mut members) if kind.ends_with("List") => match members.remove("items") {
            Some(Json::Array(items)) => items.into_iter().try_for_each(|item| take(item, namespace, found)),
            _ => Ok(()),
        },
        Json::Object(_) if kind != "ExternalSecret" || !api.starts_with("kubernetes-client.io/") => {
            found.others += 1;
            Ok(())
        }
        Json::Object(members) => {
            let name = members
                .get("metadata")
                .and_then(|metadata| metadata.get("name"))
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned();
            if name.is_empty() {
                bail!("an ExternalSecret has no metadata.name");
            }
            if !members.contains_key("spec") {
                let remedy = match members.contains_key("secretDescriptor") {
                    true => "; `keyhole convert` rewrites this old shape",
                    false => "",
                };
                bail!("ExternalSecret {name}: spec: Required value{remedy}");
            }
            let mut object: ExternalSecret = serde_json::from_value(Json::Object(members))
                .with_context(|| format!("ExternalSecret {name} cannot be read"))?;
            object.metadata.namespace.get_or_insert_with(|| namespace.to_owned());
            found.objects.push(object);
            Ok(())
        }
        other => bail!("{} is no Kubernetes object", short(&other)),
    }
}

fn short(value: &Json) -> &'static str {
    match value {
        Json::Array(_) => "a list",
        _ => "a document of one value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "apiVersion: kubernetes-client.io/v1\nkind: ExternalSecret\nmetadata: {name: a}\n\
                       spec: {backendType: secretsManager, data: [{key: k, name: n}]}\n";

    fn parse(text: &str, namespace: &str) -> anyhow::Result<Found> {
        found_in(documents(text)?, namespace)
    }

    fn names(text: &str) -> Vec<String> {
        let found = parse(text, "default").unwrap();
        let name = |object: &ExternalSecret| {
            let metadata = &object.metadata;
            format!(
                "{}/{}",
                metadata.namespace.as_deref().unwrap(),
                metadata.name.as_deref().unwrap()
            )
        };
        found.objects.iter().map(name).collect()
    }

    #[test]
    fn documents_lists_and_json_are_read() {
        assert_eq!(names(ONE), ["default/a"]);
        let indented = ONE.replace("metadata: {name: a}", "metadata: {name: b, namespace: team}");
        assert_eq!(
            names(&format!("---\n{ONE}---\n# nothing\n---\n{indented}")),
            ["default/a", "team/b"]
        );
        let json = r#"{"apiVersion":"kubernetes-client.io/v1","kind":"ExternalSecret","metadata":{"name":"j"},"spec":{"backendType":"x"}}"#;
        assert_eq!(names(&format!("{json}\n{json}")), ["default/j", "default/j"]);
        assert_eq!(
            names(&format!(
                r#"{{"apiVersion":"v1","kind":"List","items":[{json},{json}]}}"#
            )),
            ["default/j", "default/j"]
        );
        let list = format!("apiVersion: v1\nkind: ExternalSecretList\nitems:\n- {json}\n");
        assert_eq!(names(&list), ["default/j"]);
    }

    #[test]
    fn other_objects_are_passed_over_and_counted() {
        let other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
        let neighbour = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: e}\n";
        let found = parse(&format!("{other}---\n{neighbour}---\n{ONE}"), "default").unwrap();
        assert_eq!((found.objects.len(), found.others), (1, 2));
    }

    #[test]
    fn what_cannot_be_read_is_one_line() {
        for text in [
            "a: [",
            "- 1\n",
            "text",
            &ONE.replace("{name: a}", "{}"),
            &ONE.replace("spec:", "secretDescriptor:"),
        ] {
            let error = format!("{:#}", parse(text, "default").unwrap_err());
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
