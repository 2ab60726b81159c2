//! The same road without a cluster: objects in, Secret data out.
//!
//! Plan, planner and shape are those of the controller, so what `keyhole render` shows is what the
//! controller would write, from as few calls. Only watching, writing and refreshing are missing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use keyhole_api::ExternalSecret;
use keyhole_core::{Failure, Reason, SecretBytes};
use keyhole_plugins::LiveSet;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::plan::{Defaults, ObjectKey, ObjectPlan, plan_object};
use crate::planner::{CallObserver, Cause, Delivered, Delivery, Planner, PlannerConfig, PlannerHandle, Submit};

/// What one object becomes.
#[derive(Debug)]
pub struct Rendered {
    /// Namespace and name, of object and Secret alike.
    pub key: ObjectKey,
    /// Type of the Secret.
    pub secret_type: String,
    /// The data, or everything that stands in its way.
    pub result: Result<BTreeMap<String, SecretBytes>, Vec<Failure>>,
}

/// What `objects` become, in their order. Each is fetched once; requests that fail for a reason that
/// passes are asked a few times, as the planner does.
pub async fn render(
    objects: &[ExternalSecret],
    plugins: &LiveSet,
    defaults: &Defaults,
    config: PlannerConfig,
    observer: Option<Arc<dyn CallObserver>>,
) -> Vec<Rendered> {
    let once = Defaults {
        disable_polling: true,
        ..defaults.clone()
    };
    let mut rendered = Vec::with_capacity(objects.len());
    let mut planned: HashMap<ObjectKey, usize> = HashMap::new();
    let mut plans = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
        let key = ObjectKey::new(namespace, object.metadata.name.as_deref().unwrap_or_default());
        let result = match plan_object(object, plugins, &once) {
            Ok(_) if planned.contains_key(&key) => {
                let failure = Failure::new(Reason::InvalidSpec, format!("{key} was given before"));
                Err(vec![failure.remedy("keep one of the two")])
            }
            Ok(plan) => {
                planned.insert(key.clone(), index);
                plans.push(Arc::new(plan));
                Err(vec![Failure::new(Reason::PluginFailed, "no answer came")])
            }
            Err(failures) => Err(failures),
        };
        rendered.push(Rendered {
            key,
            secret_type: object.secret_type().to_owned(),
            result,
        });
    }

    let (planner, handle, deliveries) = Planner::new(config, Timestamp::now(), observer);
    let stop = CancellationToken::new();
    let collect = async {
        let results = fetch_all(plans, &handle, deliveries).await;
        stop.cancel();
        results
    };
    let ((), results) = tokio::join!(planner.run(stop.clone()), collect);
    for (key, result) in results {
        if let Some(place) = planned.get(&key).and_then(|&index| rendered.get_mut(index)) {
            place.result = result;
        }
    }
    rendered
}

type Results = Vec<(ObjectKey, Result<BTreeMap<String, SecretBytes>, Vec<Failure>>)>;

async fn fetch_all(
    plans: Vec<Arc<ObjectPlan>>,
    planner: &PlannerHandle,
    mut deliveries: mpsc::Receiver<Delivery>,
) -> Results {
    let mut results = Vec::with_capacity(plans.len());
    let expected = plans.len();
    for plan in plans {
        if planner.submit(Submit::new(plan, Cause::New)).await.is_err() {
            return results;
        }
    }
    while results.len() < expected {
        let Some(delivery) = deliveries.recv().await else { break };
        let result = match &delivery.result {
            Delivered::Answers(answers) => delivery.plan.data(answers),
            Delivered::Failed(failures) => Err(failures.clone()),
            Delivered::Unchanged => continue,
        };
        results.push((delivery.plan.key.clone(), result));
        // One attempt is all there is here: neither a retry nor a refresh is to follow.
        let told = planner.done(delivery.done(Ok(()))).await.is_ok();
        if !told || planner.forget(delivery.plan.key.clone()).await.is_err() {
            break;
        }
    }
    results
}

#[cfg(test)]
mod tests;
