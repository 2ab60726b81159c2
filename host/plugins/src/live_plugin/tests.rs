use super::*;
use keyhole_core::Identity;
use keyhole_sandbox::BackendType;
use serde_json::json;
use std::io;
use std::num::NonZeroU32;
use std::sync::Mutex;
use tracing::subscriber::DefaultGuard;

/// Remembers calls; `problems` is what it says about any settings.
#[derive(Default)]
struct Fake {
    problems: Vec<Problem>,
    calls: Mutex<Vec<Call>>,
    validations: Mutex<Vec<String>>,
}

impl Backend for Fake {
    fn validate<'a>(&'a self, settings: &'a str) -> BoxFuture<'a, Result<Vec<Problem>, CallError>> {
        self.validations.lock().unwrap().push(settings.to_owned());
        Box::pin(async { Ok(self.problems.clone()) })
    }

    fn fetch<'a>(
        &'a self,
        call: &'a Call,
        requests: &'a [PlannedRequest],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, CallError>> {
        self.calls.lock().unwrap().push(call.clone());
        Box::pin(async { Ok(requests.iter().map(|_| Outcome::Unchanged).collect()) })
    }
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn catch() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    fn everything(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn map(value: Json) -> Map<String, Json> {
    value.as_object().unwrap().clone()
}

fn description() -> Description {
    Description {
        name: "fake".into(),
        version: "1.2.3".into(),
        backend_types: vec![BackendType {
            name: "fake".into(),
            aliases: vec!["phoney".into()],
        }],
        settings_schema: map(json!({"properties": {"region": {"type": "string", "x-keyhole-scope": "object"}}})),
        options_schema: map(json!({"properties": {"versionStage": {"type": "string"}}})),
        hosts: vec![],
        credentials: vec![],
        max_batch: NonZeroU32::new(20).unwrap(),
        metadata: Map::new(),
    }
}

fn plugin(rules: Rules, backend: Arc<Fake>) -> LivePlugin {
    let id = PluginId {
        name: "fake".into(),
        digest: "sha256:00".into(),
    };
    LivePlugin::new(id, &description(), rules, backend).unwrap()
}

fn signing() -> Rules {
    Rules {
        signs_aws: true,
        ..Rules::default()
    }
}

#[test]
fn a_plugin_that_signs_needs_a_sane_region() {
    let plugin = plugin(signing(), Arc::default());
    let settings = |region: &str| plugin.settings(&map(json!({"region": region})), &Map::new());
    assert_eq!(
        plugin.region(&settings("eu-west-1").unwrap()).as_deref(),
        Some("eu-west-1")
    );
    for region in ["", "EU", "a.b", "eu west", "-x", "eu-west-1.evil.com/", "a\nb"] {
        assert_eq!(settings(region).unwrap_err().reason, Reason::InvalidSpec, "{region:?}");
    }
    let missing = plugin.settings(&Map::new(), &Map::new()).unwrap_err();
    assert_eq!(
        missing.condition_message(0),
        "no region; set spec.region, or start the operator with AWS_REGION"
    );
}

#[test]
fn a_plugin_that_does_not_sign_has_no_region() {
    let plugin = plugin(Rules::default(), Arc::default());
    let settings = plugin
        .settings(&map(json!({"region": "anything goes"})), &Map::new())
        .unwrap();
    assert_eq!(plugin.region(&settings), None);
}

#[test]
fn a_schema_that_cannot_be_used_refuses_the_plugin() {
    let mut description = description();
    description.options_schema = map(json!({"$ref": "https://example.com"}));
    let id = PluginId {
        name: "fake".into(),
        digest: "sha256:00".into(),
    };
    let error = LivePlugin::new(id, &description, Rules::default(), Arc::new(Fake::default())).unwrap_err();
    assert!(
        error.to_string().starts_with("the plugin's options schema refers to"),
        "{error}"
    );
}

#[test]
fn a_batch_is_never_larger_than_the_host_allows() {
    let mut description = description();
    description.max_batch = NonZeroU32::MAX;
    let id = PluginId {
        name: "fake".into(),
        digest: "sha256:00".into(),
    };
    let plugin = LivePlugin::new(id, &description, Rules::default(), Arc::new(Fake::default())).unwrap();
    assert_eq!(plugin.max_batch(), MAX_BATCH);
    assert_eq!(plugin.concurrent_calls(), 1);
}

#[tokio::test]
async fn a_plugin_is_asked_once_about_the_same_settings() {
    let backend = Arc::new(Fake::default());
    let plugin = plugin(signing(), backend.clone());
    for region in ["a", "b", "a", "b"] {
        let settings = plugin.settings(&map(json!({"region": region})), &Map::new()).unwrap();
        plugin.validate(&settings).await.unwrap();
    }
    assert_eq!(
        *backend.validations.lock().unwrap(),
        [r#"{"region":"a"}"#, r#"{"region":"b"}"#]
    );
}

fn problem(path: &str, message: &str) -> Problem {
    Problem {
        path: path.into(),
        message: message.into(),
    }
}

/// What an object is told whose `spec.config` is `config`, and the log.
async fn told(administrator: Json, config: Json, problems: &[Problem]) -> (String, String) {
    let (log, _guard) = Log::catch();
    let mut description = description();
    description.settings_schema = map(json!({"properties": {
        "region": {"x-keyhole-scope": "object"},
        "auth": {"x-keyhole-scope": "object"},
        "mount": {"x-keyhole-scope": "object"},
        "address": {"type": "string"},
    }}));
    let rules = Rules {
        settings: map(administrator),
        ..Rules::default()
    };
    let id = PluginId {
        name: "fake".into(),
        digest: "sha256:00".into(),
    };
    let backend = Fake {
        problems: problems.to_vec(),
        ..Fake::default()
    };
    let plugin = LivePlugin::new(id, &description, rules, Arc::new(backend)).unwrap();
    let settings = plugin.settings(&Map::new(), &map(config)).unwrap();
    let failure = plugin.validate(&settings).await.unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidSpec);
    (failure.condition_message(0), log.everything())
}

#[tokio::test]
async fn problems_become_one_line() {
    let problems = [
        problem("/region", "not served"),
        problem("", "too many"),
        problem("/auth/role", "odd"),
        problem("/auth", "x"),
        problem("/region", "x"),
    ];
    let (text, log) = told(json!({}), json!({"region": "a", "auth": {"role": "b"}}), &problems).await;
    assert_eq!(text, "region: not served; too many; auth.role: odd (and 2 more)");
    assert_eq!(log, "");
}

#[tokio::test]
async fn a_problem_with_the_administrators_settings_is_told_to_the_administrator_alone() {
    const ADDRESS: &str = "https://user:pw@internal";
    let administrator = json!({"address": ADDRESS, "mount": "kubernetes"});
    let quote = format!("`{ADDRESS}` is no URL");
    let generic = "tell the administrator of BackendPlugin fake: the operator's log has the details";
    for (problem, expected) in [
        (
            problem("/address", &quote),
            "the plugin does not accept setting address",
        ),
        (
            problem("/address/0", "`pw` is no port"),
            "the plugin does not accept setting address",
        ),
        (problem("", &quote), "the plugin does not accept the settings"),
        (
            problem("/https:~1~1user:pw@internal", "x"),
            "the plugin does not accept the settings",
        ),
        // Open to objects, and not what the object gave.
        (
            problem("/mount", "kubernetes pw"),
            "the plugin does not accept setting mount",
        ),
    ] {
        let (text, log) = told(
            administrator.clone(),
            json!({"region": "a"}),
            std::slice::from_ref(&problem),
        )
        .await;
        assert_eq!(text, format!("{expected}; {generic}"));
        assert!(log.contains("WARN") && log.contains(&problem.message), "{log}");
    }
}

#[tokio::test]
async fn a_problem_with_the_objects_settings_quotes_nobody_elses() {
    let administrator = json!({"address": "https://user:pw@internal", "mount": "kubernetes"});
    let config = json!({"region": "a", "mount": "own"});
    let problems = [
        problem("/region", "a is not served at https://user:pw@internal"),
        problem("/mount", "own is not there"),
    ];
    let (text, log) = told(administrator, config, &problems).await;
    assert_eq!(text, "region: a is not served at ***; mount: own is not there");
    assert_eq!(log, "");
}

#[tokio::test]
async fn who_leaves_a_setting_out_is_told_its_name() {
    let (text, _) = told(
        json!({}),
        json!({"region": "a"}),
        &[problem("/mount", "is needed for a")],
    )
    .await;
    assert_eq!(
        text,
        "the plugin does not accept setting mount; set spec.config.mount, or tell the administrator of BackendPlugin \
         fake: the operator's log has the details"
    );
}

#[tokio::test]
async fn a_call_carries_what_its_group_says() {
    let backend = Arc::new(Fake::default());
    let plugin = plugin(signing(), backend.clone());
    let settings = plugin
        .settings(&map(json!({"region": "eu-west-1"})), &Map::new())
        .unwrap();
    let group = GroupKey {
        plugin: plugin.id().clone(),
        region: plugin.region(&settings),
        settings,
        identity: Identity {
            account: None,
            role: Some("arn:aws:iam::1:role/a".parse().unwrap()),
            namespace_tag: None,
        },
        namespace: Some("team".into()),
    };
    assert!(
        plugin
            .fetch(&group, &Arc::default(), 3, &[], &Exchanges::default())
            .await
            .unwrap()
            .is_empty()
    );
    let calls = backend.calls.lock().unwrap();
    assert_eq!(calls[0].settings.as_str(), r#"{"region":"eu-west-1"}"#);
    assert_eq!((calls[0].region.as_deref(), calls[0].attempt), (Some("eu-west-1"), 3));
    assert_eq!(calls[0].namespace.as_deref(), Some("team"));
    assert_eq!(calls[0].identity, group.identity);
}

#[test]
fn only_the_types_that_are_asked_for_are_claimed() {
    let mut description = description();
    description.backend_types.push(BackendType {
        name: "other".into(),
        aliases: vec!["another".into()],
    });
    let claimed = |wanted: &[&str]| {
        let rules = Rules {
            backend_types: wanted.iter().map(|&name| name.into()).collect(),
            ..Rules::default()
        };
        let id = PluginId {
            name: "fake".into(),
            digest: "sha256:00".into(),
        };
        let plugin = LivePlugin::new(id, &description, rules, Arc::new(Fake::default()));
        plugin.map(|plugin| [plugin.backend_types().join(" "), plugin.aliases().join(" ")])
    };
    let texts = |types: &str, aliases: &str| [types.to_owned(), aliases.to_owned()];
    assert_eq!(claimed(&[]).unwrap(), texts("fake other", "phoney another"));
    assert_eq!(claimed(&["other"]).unwrap(), texts("other", "another"));
    assert_eq!(claimed(&["phoney"]).unwrap(), texts("phoney", ""));
    assert_eq!(
        claimed(&["fake", "none"]).unwrap_err().to_string(),
        "spec.backendTypes[1]: the plugin does not serve \"none\"; it serves fake, other"
    );
}

#[test]
fn settings_of_the_administrator_are_checked_by_themselves() {
    let mut description = description();
    description.settings_schema = map(json!({
        "properties": {"address": {"type": "string"}, "region": {"type": "string", "x-keyhole-scope": "object"}},
        "required": ["region"],
        "additionalProperties": false,
    }));
    let of = |settings: Json| {
        let rules = Rules {
            settings: map(settings),
            ..Rules::default()
        };
        let id = PluginId {
            name: "fake".into(),
            digest: "sha256:00".into(),
        };
        LivePlugin::new(id, &description, rules, Arc::new(Fake::default())).map_err(|error| error.to_string())
    };
    assert!(
        of(json!({"address": "a"})).is_ok(),
        "what is missing may come from objects"
    );
    let error = of(json!({"address": 1, "adress": "a"})).unwrap_err();
    assert_eq!(
        error,
        "spec.settings.adress: the plugin does not know it; known: address, region. spec.settings.address: 1 is not of \
         type \"string\"; write what the plugin's schema asks for"
    );
}
