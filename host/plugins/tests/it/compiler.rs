//! A compiler is a large target, so it never sees what does not meet every demand.

use std::fs;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use keyhole_core::{CallError, Identity};
use keyhole_plugins::{CompileCache, Compiler, Defaults, Demands, Digest, Loader, PluginSpec, Source, Sources};
use keyhole_sandbox::egress::{EndpointOverrides, Network};
use keyhole_sandbox::{ApiServer, AwsSessions, Engine, EngineConfig, NoCredentials, Pooling, Ports};
use keyhole_test_harness::{Cosign, write_script};

use crate::world::{component, signed_by};

/// No plugin gets as far as to sign something.
struct NoSessions;

impl AwsSessions for NoSessions {
    fn session<'a>(&'a self, _: &'a Identity) -> BoxFuture<'a, Result<aws_credential_types::Credentials, CallError>> {
        async { Err(CallError::Host("there are no sessions here".to_owned())) }.boxed()
    }
}

#[tokio::test]
async fn nothing_that_is_refused_is_ever_given_to_the_compiler() {
    let folder = tempfile::tempdir().unwrap();
    let (program, started) = (folder.path().join("compiler.sh"), folder.path().join("started"));
    write_script(&program, &format!("touch {}\nexit 1", started.display()));
    let plugin = folder.path().join("plugin.wasm");
    fs::write(&plugin, component("plugin")).unwrap();
    let loader = Loader {
        sources: Sources::default(),
        engine: Engine::new(&EngineConfig {
            pooling: Pooling::Never,
            ..EngineConfig::default()
        })
        .unwrap(),
        cache: Arc::new(CompileCache {
            read_only: None,
            writable: Some(folder.path().join("cache")),
            compiler: Compiler::Child { program },
        }),
        ports: Ports {
            sessions: Arc::new(NoSessions),
            credentials: Arc::new(NoCredentials),
            endpoints: EndpointOverrides::default(),
            network: Network::direct(),
            api_server: ApiServer::default(),
            observer: None,
        },
        defaults: Defaults::default(),
    };
    let load = async |demands: Demands| {
        let spec = PluginSpec {
            demands,
            ..PluginSpec::new("plugin", Source::File(plugin.clone()))
        };
        loader.load(&spec).await.map(|_| ())
    };
    let key = Cosign::find().unwrap().key("own").await.unwrap();
    let another = Demands {
        digest: Some(Digest::of(b"another")),
        keys: Vec::new(),
    };
    assert!(load(signed_by(&[&key])).await.is_err());
    assert!(load(another).await.is_err());
    assert!(!started.exists());
    // The same without a demand gets as far as the compiler: what was asserted means something.
    assert!(load(Demands::default()).await.is_err());
    assert!(started.exists());
}
