//! Files that are no plugins, and plugins that misbehave before they serve.

use std::process::Command;
use std::time::Duration;

use keyhole_core::CallError;
use keyhole_core::limits::Limits;
use keyhole_sandbox::{Component, Engine, EngineConfig, Grant, LoadError, Plugin, Pooling, PrivateAddresses};
use serde_json::json;
use tokio::net::TcpListener;

use crate::guest::{Sandbox, component, describing, engine, engine_with, file, id, ports};

async fn describe(habit: &str) -> LoadError {
    let engine = engine();
    let component = Component::compile(&engine, &describing(habit)).unwrap();
    let limits = Limits {
        cpu: Duration::from_millis(100),
        memory: 8 << 20,
        ..Limits::default()
    };
    let loaded = Plugin::load(
        &engine,
        component,
        id(),
        Grant {
            limits,
            ..Grant::default()
        },
        ports(),
    )
    .await;
    assert_eq!((engine.live_instances(), engine.limiter_bytes()), (0, 0));
    loaded.unwrap_err()
}

#[tokio::test]
async fn a_description_is_read_and_parsed() {
    let sandbox = Sandbox::new(Limits::default()).await;
    let description = sandbox.plugin.description();
    assert_eq!(
        (description.name.as_str(), description.version.as_str()),
        ("hostile", "0.1.0")
    );
    assert_eq!(description.backend_names().collect::<Vec<_>>(), ["hostile"]);
    assert_eq!(description.max_batch.get(), 64);
}

#[tokio::test]
async fn a_describe_that_misbehaves_never_serves() {
    assert!(matches!(describe("loop").await, LoadError::Describe(CallError::Cpu(_))));
    assert!(matches!(
        describe("trap").await,
        LoadError::Describe(CallError::Trap(_))
    ));
    assert!(matches!(
        describe("memory").await,
        LoadError::Describe(CallError::Memory(_))
    ));
    assert!(matches!(
        describe("giant").await,
        LoadError::Describe(CallError::Output {
            what: "description",
            ..
        })
    ));
}

#[tokio::test]
async fn a_description_that_makes_no_sense_says_what_is_wrong() {
    for (habit, words) in [
        ("huge", "describe() returned a bad size: all texts together are"),
        (
            "schema",
            "describe() returned a bad settings-schema: a JSON object is needed",
        ),
        ("batch", "describe() returned a bad max-batch: 0 requests"),
        (
            "host",
            "describe() returned a bad hosts: \"*.example.com\" is no host pattern",
        ),
    ] {
        let text = describe(habit).await.to_string();
        assert!(text.starts_with(words), "{habit}: {text}");
    }
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let engine = engine();
    for bytes in [&b""[..], b"hello", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\xff"] {
        assert!(
            matches!(Component::compile(&engine, bytes), Err(LoadError::Compile(_))),
            "{bytes:?}"
        );
    }
    let empty = Component::compile(&engine, b"\0asm\x0d\0\x01\0").unwrap();
    let error = Plugin::load(&engine, empty, id(), Grant::default(), ports())
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, LoadError::Contract(_)) && text.contains("keyhole:backend/backend"),
        "{text}"
    );
}

#[tokio::test]
async fn a_precompiled_file_fits_every_engine_of_the_same_hash_and_no_other() {
    let (pooled, on_demand) = (engine_with(2, Pooling::Auto), engine_with(9, Pooling::Never));
    assert!(pooled.is_pooled() && !on_demand.is_pooled());
    assert_eq!(pooled.compatibility_hash(), on_demand.compatibility_hash());
    assert_eq!(pooled.compatibility_hash().len(), 64);
    for engine in [pooled, on_demand] {
        let component = component(&engine);
        let plugin = Plugin::load(&engine, component, id(), Grant::default(), ports())
            .await
            .unwrap();
        assert_eq!(plugin.is_pooled(), engine.is_pooled());
    }

    let other = Engine::new(&EngineConfig {
        slot_memory: 32 << 20,
        slots: 2,
        ..EngineConfig::default()
    })
    .unwrap();
    assert_ne!(other.compatibility_hash(), engine().compatibility_hash());
    let code = engine().precompile(&std::fs::read(file()).unwrap()).unwrap();
    let path = file().with_file_name(format!("other-{}.cwasm", std::process::id()));
    std::fs::write(&path, code).unwrap();
    // SAFETY: just written, and not changed.
    let error = unsafe { Component::load_file(&other, &path) }.unwrap_err();
    assert!(
        matches!(&error, LoadError::Incompatible { .. }) && error.to_string().contains("compile the component again"),
        "{error}"
    );
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn settings_are_checked_without_a_network() {
    const WALL: Duration = Duration::from_secs(5);
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", server.local_addr().unwrap());
    let grant = Grant {
        hosts: vec![host.parse().unwrap()],
        private_addresses: PrivateAddresses::Cidrs(vec!["127.0.0.0/8".parse().unwrap()]),
        limits: Limits {
            wall: WALL,
            ..Limits::default()
        },
        ..Grant::default()
    };
    let sandbox = Sandbox::of(engine(), grant).await;
    let exchange = json!([{"scheme": "http", "authority": host.trim_start_matches("http://"), "path": "/"}]);

    let settings = json!({"validate": "network", "exchanges": exchange}).to_string();
    let problems = sandbox.plugin.validate(&settings).await.unwrap();
    assert!(problems[0].message.contains("HttpProtocolError"), "{problems:?}");

    // The same exchange in `fetch` gets as far as the server, which never answers.
    let fetch = sandbox.fetch(json!({"do": "http", "exchanges": exchange}), &["k"]);
    let both = async { tokio::join!(fetch, server.accept()) };
    let (fetched, accepted) = tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .expect("nobody connected");
    assert_eq!(fetched.unwrap_err(), CallError::Wall(WALL));
    drop(accepted.unwrap());
    let again = tokio::time::timeout(Duration::ZERO, server.accept()).await;
    assert!(again.is_err(), "only `fetch` connected");
    sandbox.assert_unharmed().await;
}

#[test]
fn where_the_address_space_is_limited_sandboxes_are_allocated_on_demand() {
    file();
    // 6 GB: enough to run in, too little for a pool of 64 slots.
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -v 6000000 && exec \"$0\" --exact load::without_a_pool --ignored --test-threads 1",
        ])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
#[ignore = "run by the test above, in a process with little address space"]
async fn without_a_pool() {
    let sandbox = Sandbox::of(engine_with(64, Pooling::Auto), Grant::default()).await;
    assert!(!sandbox.engine.is_pooled());
    sandbox.assert_unharmed().await;
}
