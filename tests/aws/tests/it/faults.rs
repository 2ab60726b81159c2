//! What the network can do, it does.

use std::time::{Duration, Instant};

use keyhole_test_aws::{Effect, FakeAws, FakeConfig, Fault};
use serde_json::json;

use crate::signer::{Answer, Signer};

fn start() -> (FakeAws, Signer) {
    let fake = FakeAws::start(FakeConfig::default()).unwrap();
    fake.set_secret("eu-west-1", "db", "hunter2");
    let signer = Signer::new(&fake);
    (fake, signer)
}

async fn get(signer: &Signer) -> anyhow::Result<Answer> {
    signer
        .send(signer.request("GetSecretValue", &json!({"SecretId": "db"})))
        .await
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

#[tokio::test]
async fn a_throttled_operation_lets_its_burst_pass() {
    let (fake, signer) = start();
    fake.throttle("GetSecretValue", 0.001, 2.0);
    assert_eq!(get(&signer).await.unwrap().status, 200);
    assert_eq!(get(&signer).await.unwrap().status, 200);
    assert_eq!(get(&signer).await.unwrap().error(), "ThrottlingException");
    assert_eq!(fake.counts().throttled, 1);
    fake.clear_faults();
    assert_eq!(get(&signer).await.unwrap().status, 200);
}

#[tokio::test]
async fn operations_of_a_family_use_up_one_quota() {
    let (fake, signer) = start();
    fake.quota(&["GetSecretValue", "BatchGetSecretValue"], 0.001, 2.0);
    let batch = || signer.send(signer.request("BatchGetSecretValue", &json!({"SecretIdList": ["db"]})));
    assert_eq!(get(&signer).await.unwrap().status, 200);
    assert_eq!(batch().await.unwrap().status, 200);
    let refused = batch().await.unwrap();
    assert_eq!((refused.status, refused.error().as_str()), (400, "ThrottlingException"));
    assert_eq!(get(&signer).await.unwrap().error(), "ThrottlingException");
    assert_eq!(fake.counts().throttled, 2);
}

#[tokio::test]
async fn an_error_has_its_status_and_code_and_hits_so_often() {
    let (fake, signer) = start();
    fake.fault(
        Fault::on("GetSecretValue")
            .error(503, "ServiceUnavailable", "busy")
            .times(2),
    );
    for _ in 0..2 {
        let answer = get(&signer).await.unwrap();
        assert_eq!((answer.status, answer.error().as_str()), (503, "ServiceUnavailable"));
    }
    assert_eq!(get(&signer).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_reset_connection_gives_no_answer() {
    let (fake, signer) = start();
    fake.fault(Fault::on("GetSecretValue").effect(Effect::Reset).times(1));
    let error = chain(&get(&signer).await.err().unwrap());
    assert!(error.contains("reset"), "{error}");
    assert_eq!(get(&signer).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_truncated_body_ends_early() {
    let (fake, signer) = start();
    fake.fault(Fault::on("GetSecretValue").effect(Effect::Truncate).times(1));
    let error = chain(&get(&signer).await.err().unwrap());
    assert!(error.contains("end of file") || error.contains("closed"), "{error}");
    assert_eq!(get(&signer).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_wrong_content_type_and_a_page_of_a_gateway_arrive() {
    let (fake, signer) = start();
    fake.fault(
        Fault::on("GetSecretValue")
            .effect(Effect::ContentType("text/plain".to_owned()))
            .times(1),
    );
    let answer = get(&signer).await.unwrap();
    assert_eq!(
        (answer.content_type.as_str(), &answer.json()["SecretString"]),
        ("text/plain", &json!("hunter2"))
    );
    fake.fault(Fault::on("GetSecretValue").effect(Effect::Html).times(1));
    let answer = get(&signer).await.unwrap();
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "text/html"));
    assert!(answer.text().starts_with("<html>"));
}

#[tokio::test]
async fn a_delay_delays_and_a_drip_drips() {
    let (fake, signer) = start();
    fake.fault(Fault::on("GetSecretValue").delay(Duration::from_millis(80)).times(1));
    let start = Instant::now();
    assert_eq!(get(&signer).await.unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(80));
    fake.fault(
        Fault::on("GetSecretValue")
            .effect(Effect::Drip { bytes: 40, every: 20 })
            .times(1),
    );
    let start = Instant::now();
    assert_eq!(get(&signer).await.unwrap().json()["SecretString"], "hunter2");
    assert!(start.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_hanging_request_hangs_and_its_neighbours_do_not() {
    let (fake, signer) = start();
    fake.fault(Fault::on("GetSecretValue").effect(Effect::Hang).times(1));
    let hanging = get(&signer);
    tokio::pin!(hanging);
    tokio::select! {
        answer = &mut hanging => panic!("answered: {}", answer.is_ok()),
        answer = async {
            // The fault goes to whoever arrives first; wait until it is taken.
            while fake.counts().total() == 0 {
                tokio::task::yield_now().await;
            }
            get(&signer).await
        } => assert_eq!(answer.unwrap().status, 200),
    }
    let open = fake.requests().iter().filter(|record| record.status == 0).count();
    assert_eq!(open, 1);
}
