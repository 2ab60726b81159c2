//! A BackendPlugin for an administrator to review: exactly what the plugin wants, and nothing else.
//!
//! It is a beginning and no advice: wanting is not having, so each line says what it grants. It is text and not
//! a serialised object, because the comments are half of it.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::inspect::{Described, Member, Want};
use crate::words;

/// The object's YAML. `image` is a reference with a digest.
#[must_use]
pub fn backend_plugin(plugin: &Described, image: &str) -> String {
    let name = &plugin.name;
    let mut yaml = format!(
        "# Review before you apply it: every line under grant lets the plugin do something.\n\
         apiVersion: kubernetes-client.io/v1alpha1\nkind: BackendPlugin\nmetadata:\n  name: {name}\n\
         spec:\n  source:\n    oci:\n      image: {}\n",
        quoted(image)
    );
    let types: Vec<_> = plugin.backend_types.iter().map(|served| quoted(&served.name)).collect();
    let _ = writeln!(yaml, "  backendTypes: [{}]", types.join(", "));
    grant(&mut yaml, plugin);
    settings(&mut yaml, &plugin.settings);
    yaml
}

fn grant(yaml: &mut String, plugin: &Described) {
    yaml.push_str("  grant:\n");
    if plugin.hosts.is_empty() {
        yaml.push_str("    # The plugin names no host; grant the one that its settings lead to, as NAME or NAME:PORT.\n    hosts: []\n");
    } else {
        yaml.push_str("    # A placeholder in braces takes exactly one label.\n    hosts:\n");
        for host in &plugin.hosts {
            let _ = writeln!(yaml, "    - {}", quoted(host));
        }
    }
    if plugin.credentials.is_empty() {
        return;
    }
    yaml.push_str("    auth:\n");
    let of = |kind: &'static str| plugin.credentials.iter().filter(move |want| want.kind == kind);
    let secret = |key: &str| format!("{{name: {}, key: {}}}", plugin.name, quoted(key));
    section(
        yaml,
        of("aws"),
        "The host signs these; the plugin sees no credential.",
        "aws",
        |want| {
            let actions: Vec<_> = want.actions.iter().map(|action| quoted(action)).collect();
            format!("- service: {}\n  actions: [{}]", quoted(&want.name), actions.join(", "))
        },
    );
    section(
        yaml,
        of("header"),
        "The host sets these; the plugin sees no credential. Create the Secret in the operator's namespace.",
        "headers",
        |want| {
            let prefix = if want.name == "authorization" {
                "  prefix: \"Bearer \"\n"
            } else {
                ""
            };
            let key = if want.name == "authorization" {
                "token"
            } else {
                &want.name
            };
            format!(
                "- name: {}\n{prefix}  secretKeyRef: {}",
                quoted(&want.name),
                secret(key)
            )
        },
    );
    if let Some(want) = of("serviceAccountToken").next() {
        let _ = write!(
            yaml,
            "      # The plugin SEES a token of minutes, for this audience only.\n      serviceAccountToken:\n        audience: {}\n",
            quoted(&want.name)
        );
    }
    let mut exposed = of("exposed").peekable();
    if exposed.peek().is_some() {
        yaml.push_str("      # The plugin SEES these values.\n      exposed:\n");
        for want in exposed {
            let _ = writeln!(yaml, "        {}: {}", want.name, secret(&want.name));
        }
    }
}

fn section<'a>(
    yaml: &mut String,
    wants: impl Iterator<Item = &'a Want>,
    comment: &str,
    name: &str,
    item: impl Fn(&Want) -> String,
) {
    let mut wants = wants.peekable();
    if wants.peek().is_none() {
        return;
    }
    let _ = write!(yaml, "      # {comment}\n      {name}:\n");
    for want in wants {
        for line in item(want).lines() {
            let _ = writeln!(yaml, "      {line}");
        }
    }
}

/// The settings that must be there, to be filled in, and the others as comments.
fn settings(yaml: &mut String, members: &[Member]) {
    let administrator = |member: &&Member| member.set_by == "administrator" || member.required;
    let (required, optional): (Vec<_>, Vec<_>) =
        members.iter().filter(administrator).partition(|member| member.required);
    if required.is_empty() && optional.is_empty() {
        return;
    }
    if required.is_empty() {
        yaml.push_str("  # settings:\n");
    } else {
        yaml.push_str("  settings:\n");
    }
    let said = |member: &Member| format!("{}: {}", member.kind, words::line(&member.description));
    for member in required {
        let empty = match member.kind.as_str() {
            "integer" | "number" => Json::from(0),
            "boolean" => Json::from(false),
            _ => Json::from(""),
        };
        let _ = writeln!(yaml, "    {}: {empty}  # {}", quoted(&member.name), said(member));
    }
    for member in optional {
        let default = member.default.as_deref().unwrap_or("...");
        let _ = writeln!(
            yaml,
            "    # {}: {}  # {}",
            quoted(&member.name),
            words::line(default),
            said(member)
        );
    }
}

/// A text as YAML; JSON's quotes are YAML's too.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'))
        && !matches!(text, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if plain {
        text.to_owned()
    } else {
        Json::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Served;
    use keyhole_api::BackendPlugin;

    fn want(kind: &'static str, name: &str, actions: &[&str]) -> Want {
        Want {
            kind,
            name: name.into(),
            actions: actions.iter().map(|action| (*action).to_owned()).collect(),
            seen: false,
        }
    }

    fn member(name: &str, kind: &str, required: bool, set_by: &'static str) -> Member {
        Member {
            name: name.into(),
            kind: kind.into(),
            required,
            set_by,
            description: "Said: so.".into(),
            default: None,
        }
    }

    fn described(credentials: Vec<Want>) -> Described {
        Described {
            name: "store".into(),
            version: "1.0.0".into(),
            backend_types: vec![Served {
                name: "store".into(),
                aliases: Vec::new(),
            }],
            max_batch: 1,
            settings: vec![
                member("address", "string", true, "administrator"),
                member("depth", "integer", false, "administrator"),
                member("team", "string", false, "object"),
            ],
            options: Vec::new(),
            hosts: vec!["store.{region}.example.com:8443".into()],
            credentials,
            metadata: serde_json::Map::new(),
        }
    }

    const IMAGE: &str = "ghcr.io/acme/store:1@sha256:00";

    #[test]
    fn it_is_a_backend_plugin_that_grants_what_is_wanted() {
        let plugin = described(vec![
            want("aws", "secretsmanager", &["GetSecretValue"]),
            want("header", "authorization", &[]),
            want("header", "x-api-key", &[]),
            want("serviceAccountToken", "vault", &[]),
            want("exposed", "password", &[]),
        ]);
        let yaml = backend_plugin(&plugin, IMAGE);
        let object: BackendPlugin = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert_eq!(object.metadata.name.as_deref(), Some("store"));
        assert_eq!(object.spec.source.oci.unwrap().image, IMAGE);
        assert_eq!(object.spec.backend_types, ["store"]);
        let grant = object.spec.grant.unwrap();
        assert_eq!(grant.hosts, ["store.{region}.example.com:8443"]);
        assert_eq!(grant.auth.aws[0].actions, ["GetSecretValue"]);
        let headers: Vec<_> = grant
            .auth
            .headers
            .iter()
            .map(|header| (header.name.as_str(), header.prefix.as_deref()))
            .collect();
        assert_eq!(headers, [("authorization", Some("Bearer ")), ("x-api-key", None)]);
        assert_eq!(grant.auth.service_account_token.unwrap().audience, "vault");
        assert_eq!(grant.auth.exposed["password"].key, "password");
        assert_eq!(object.spec.settings.unwrap()["address"], "");
        assert!(yaml.contains("# depth") && !yaml.contains("team"), "{yaml}");
    }

    #[test]
    fn a_plugin_that_wants_nothing_is_granted_nothing() {
        let mut plugin = described(Vec::new());
        plugin.hosts.clear();
        plugin.settings.clear();
        let object: BackendPlugin = serde_saphyr::from_str(&backend_plugin(&plugin, IMAGE)).unwrap();
        let grant = object.spec.grant.unwrap();
        assert!(grant.hosts.is_empty() && grant.auth.is_empty() && object.spec.settings.is_none());
    }
}
