//! What the host learns about each call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyhole_core::limits::Limits;
use keyhole_core::{CallError, PluginId};
use keyhole_sandbox::{CallObserver, CallStats, Export, Grant, Plugin, Ports};
use serde_json::json;

use crate::guest::{call, component, engine, id, keys, ports};

#[derive(Default)]
struct Seen(Mutex<Vec<(Export, CallStats, Option<&'static str>)>>);

impl CallObserver for Seen {
    fn call_ended(&self, plugin: &PluginId, export: Export, stats: &CallStats, error: Option<&CallError>) {
        assert_eq!(*plugin, id());
        self.0
            .lock()
            .unwrap()
            .push((export, *stats, error.map(CallError::label)));
    }
}

#[tokio::test]
async fn each_call_is_reported_with_what_it_took() {
    let seen = Arc::new(Seen::default());
    let observer: Arc<dyn CallObserver> = Arc::<Seen>::clone(&seen);
    let cpu = Duration::from_millis(100);
    let grant = Grant {
        limits: Limits {
            cpu,
            ..Limits::default()
        },
        ..Grant::default()
    };
    let engine = engine();
    let ports = Ports {
        observer: Some(observer),
        ..ports()
    };
    let plugin = Plugin::load(&engine, component(&engine), id(), grant, ports)
        .await
        .unwrap();
    let fetch = async |settings| plugin.fetch(&call(settings), &keys(&["a"])).await;

    plugin.validate("{}").await.unwrap();
    fetch(json!({"do": "hold", "bytes": 10 << 20})).await.unwrap();
    fetch(json!({"do": "naps", "times": 5, "ms": 20})).await.unwrap();
    fetch(json!({"do": "log", "times": 3})).await.unwrap();
    fetch(json!({"do": "loop"})).await.unwrap_err();
    fetch(json!({"do": "fewer"})).await.unwrap_err();

    let seen = seen.0.lock().unwrap();
    let ends: Vec<_> = seen.iter().map(|(export, _, error)| (export.label(), *error)).collect();
    let fetched = |error| ("fetch", error);
    let expected = [
        ("describe", None),
        ("validate", None),
        fetched(None),
        fetched(None),
        fetched(None),
    ];
    assert_eq!(ends[..5], expected);
    assert_eq!(ends[5..], [fetched(Some("cpu")), fetched(Some("protocol"))]);

    let stats: Vec<CallStats> = seen.iter().map(|(_, stats, _)| *stats).collect();
    assert!(
        stats[2].peak_memory > 10 << 20 && stats[1].peak_memory < 8 << 20,
        "{stats:?}"
    );
    assert!(
        stats[3].wall >= cpu && stats[3].cpu < cpu / 2,
        "napping: {:?}",
        stats[3]
    );
    assert_eq!((stats[4].log_lines, stats[4].exchanges), (3, 0));
    // Exact to a tick or two of the engine, and to what else the machine has to do.
    assert!(stats[5].cpu >= cpu && stats[5].cpu < 3 * cpu, "looping: {:?}", stats[5]);
}
