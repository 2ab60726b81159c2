//! Annotations of namespaces, where only some namespaces are watched and where nobody can judge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::core::v1::Namespace;
use keyhole_core::permission::{MatchError, Matcher, Matching, NAMING_ANNOTATION, Question};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{LONG, World, config};

async fn annotate(world: &World, expression: &str) {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let patch = json!({"metadata": {"annotations": {NAMING_ANNOTATION: expression}}});
    namespaces
        .patch(&world.namespace, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_object_that_is_there_at_the_start_is_judged_before_it_is_asked_for() {
    let mut world = World::new("limited").await;
    annotate(&world, "^other/").await;
    world.store.put("db", "one");
    world.apply("app", "db").await;
    world.start(config("limited", LONG)).await;
    let line = "ERROR, not allowed to fetch secret: limited/app: key name db does not match naming convention ^other/";
    let status = world.until_status("app", line).await;
    assert_eq!(status.ready().unwrap().reason, "NotPermitted");
    assert_eq!(world.store.asked(), 0);
    assert!(world.secrets().get_opt("app").await.unwrap().is_none());

    annotate(&world, "^db$").await;
    world.until_data("app", &[("k", "one")]).await;
    world.stop().await;
}

/// JavaScript that cannot be loaded for a while, and then finds everything in order.
#[derive(Default)]
struct Late {
    is_there: AtomicBool,
}

impl Matcher for Late {
    fn matches<'a>(&'a self, _: &'a Question) -> Matching<'a> {
        let answer = match self.is_there.load(Ordering::SeqCst) {
            true => Ok(true),
            false => Err(MatchError::Unavailable("no room for it".to_owned())),
        };
        Box::pin(std::future::ready(answer))
    }
}

#[tokio::test]
async fn what_nobody_can_judge_is_denied_and_served_as_soon_as_somebody_can() {
    let mut world = World::new("unjudged").await;
    annotate(&world, "(?=db)").await;
    world.store.put("db", "one");
    world.apply("app", "db").await;
    let script = Arc::new(Late::default());
    world
        .start_with(config("unjudged", LONG), Arc::clone(&script) as Arc<dyn Matcher>)
        .await;
    let line = format!(
        "ERROR, not allowed to fetch secret: unjudged/app: annotation {NAMING_ANNOTATION} of namespace unjudged: \
         key name db cannot be judged by (?=db): JavaScript is not available: no room for it"
    );
    world.until_status("app", &line).await;
    assert_eq!(world.store.asked(), 0);
    script.is_there.store(true, Ordering::SeqCst);
    world.until_data("app", &[("k", "one")]).await;
    world.stop().await;
}
