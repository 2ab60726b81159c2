use super::*;

fn good() -> wit::Description {
    wit::Description {
        name: "vault-2".to_owned(),
        version: "1.4.0-rc.1+build".to_owned(),
        backend_types: vec![wit::BackendType {
            name: "vault".to_owned(),
            aliases: vec!["hashicorp_vault".to_owned()],
        }],
        settings_schema: "{\"type\":\"object\"}".to_owned(),
        options_schema: "{}".to_owned(),
        hosts: vec!["secretsmanager.{region}.amazonaws.com".to_owned()],
        credentials: vec![
            wit::CredentialWant::Aws(wit::AwsWant {
                service: "secretsmanager".to_owned(),
                actions: vec!["GetSecretValue".to_owned()],
            }),
            wit::CredentialWant::Header("X-Vault-Token".to_owned()),
            wit::CredentialWant::ServiceAccountToken("https://vault".to_owned()),
            wit::CredentialWant::Exposed("password".to_owned()),
        ],
        max_batch: 20,
        metadata: "{}".to_owned(),
    }
}

/// What is said about a good description with one change.
fn complaint(change: impl FnOnce(&mut wit::Description)) -> String {
    let mut raw = good();
    change(&mut raw);
    Description::parse(raw).unwrap_err().to_string()
}

#[test]
fn a_good_description_is_taken_over() {
    let description = Description::parse(good()).unwrap();
    assert_eq!(
        description.backend_names().collect::<Vec<_>>(),
        ["vault", "hashicorp_vault"]
    );
    assert_eq!(description.settings_schema["type"], "object");
    assert_eq!(
        description.credentials[1],
        CredentialWant::Header("x-vault-token".to_owned()),
        "in the form that HTTP compares"
    );
    assert_eq!(description.max_batch.get(), 20);
}

#[test]
fn names_are_names() {
    for name in ["", "Vault", "-a", "a-", "a b", "a\nb", "ä", &"a".repeat(64)] {
        assert!(
            complaint(|raw| raw.name = name.to_owned()).starts_with("describe() returned a bad name: "),
            "{name}"
        );
        if !["Vault", "-a", "a-"].contains(&name) {
            let text = complaint(|raw| raw.backend_types[0].aliases[0] = name.to_owned());
            assert!(text.starts_with("describe() returned a bad backend-types: "), "{name}");
        }
    }
    for version in [
        "", "1", "1.2", "1.2.x", "1.2.3.4", "v1.2.3", "1.2.3 ", "1.2.3-ä", "1..3",
    ] {
        assert!(
            complaint(|raw| raw.version = version.to_owned()).contains("bad version"),
            "{version}"
        );
    }
    assert!(complaint(|raw| raw.backend_types.clear()).contains("name at least one"));
    assert!(complaint(|raw| raw.backend_types[0].aliases[0] = "vault".to_owned()).contains("\"vault\" is there twice"));
}

#[test]
fn schemas_and_metadata_are_json_objects() {
    for text in ["", "[]", "true", "{", "{}{}", &"[".repeat(10_000)] {
        assert!(
            complaint(|raw| raw.settings_schema = text.to_owned()).contains("bad settings-schema"),
            "{text}"
        );
        assert!(
            complaint(|raw| raw.options_schema = text.to_owned()).contains("bad options-schema"),
            "{text}"
        );
        assert!(
            complaint(|raw| raw.metadata = text.to_owned()).contains("bad metadata"),
            "{text}"
        );
    }
}

#[test]
fn wishes_are_well_formed() {
    assert!(complaint(|raw| raw.max_batch = 0).contains("say at least 1"));
    assert!(complaint(|raw| raw.hosts.push("*".to_owned())).contains("bad hosts: \"*\""));
    for want in [
        wit::CredentialWant::Header("x y".to_owned()),
        wit::CredentialWant::Exposed(String::new()),
        wit::CredentialWant::ServiceAccountToken(String::new()),
        wit::CredentialWant::Aws(wit::AwsWant {
            service: "a/b".to_owned(),
            actions: Vec::new(),
        }),
        wit::CredentialWant::Aws(wit::AwsWant {
            service: "ssm".to_owned(),
            actions: vec!["Get*".to_owned()],
        }),
    ] {
        assert!(
            complaint(|raw| raw.credentials = vec![want.clone()]).contains("bad credentials"),
            "{want:?}"
        );
    }
}

#[test]
fn all_texts_together_are_limited() {
    let text = complaint(|raw| raw.hosts = vec!["a.example.com".to_owned(); DESCRIPTION_LIMIT / 13 + 1]);
    assert!(text.contains("65536 are allowed"), "{text}");
    let text = complaint(|raw| raw.credentials = vec![wit::CredentialWant::Exposed("x".repeat(DESCRIPTION_LIMIT))]);
    assert!(text.contains("65536 are allowed"), "{text}");
}
