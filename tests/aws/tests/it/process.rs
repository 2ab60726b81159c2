//! The binary and its control API.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use keyhole_test_aws::{Deny, FakeAwsClient, Fault, ParameterSeed, ParameterType};

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(args: &[&str]) -> (Process, FakeAwsClient) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-aws"));
    let mut child = Process(command.args(args).stdout(Stdio::piped()).spawn().unwrap());
    let mut endpoint = String::new();
    BufReader::new(child.0.stdout.take().unwrap())
        .read_line(&mut endpoint)
        .unwrap();
    (child, FakeAwsClient::new(endpoint.trim()))
}

#[tokio::test]
async fn a_process_is_steered_over_http() {
    let (_process, fake) = start(&["--secret", "eu-west-1/seed=first", "--parameter", "eu-west-1//seed=x"]);
    fake.set_secret("eu-west-1", "team/db", "one").await.unwrap();
    fake.set_secrets("eu-west-1", &BTreeMap::from([("many".to_owned(), "two".to_owned())]))
        .await
        .unwrap();
    fake.set_parameter("eu-west-1", "/app/one", "one").await.unwrap();
    let list = ParameterSeed {
        r#type: ParameterType::StringList,
        value: "a,b".to_owned(),
    };
    fake.set_parameters("eu-west-1", &BTreeMap::from([("/app/many".to_owned(), list)]))
        .await
        .unwrap();
    fake.fault(&Fault::on("GetSecretValue").throttle()).await.unwrap();
    fake.deny(&Deny::action("sts:AssumeRole")).await.unwrap();
    fake.throttle("BatchGetSecretValue", 5.0, 5.0).await.unwrap();
    fake.expire_sessions().await.unwrap();
    fake.clear_faults().await.unwrap();
    fake.clear_denials().await.unwrap();
    assert_eq!(fake.counts().await.unwrap().total(), 0);
    assert!(fake.requests().await.unwrap().is_empty());
    fake.reset_counts().await.unwrap();
    for name in ["seed", "team/db", "many"] {
        fake.remove_secret("eu-west-1", name).await.unwrap();
        assert!(
            fake.remove_secret("eu-west-1", name).await.is_err(),
            "{name} was there, and is gone"
        );
    }
    for name in ["/seed", "/app/one", "/app/many"] {
        fake.remove_parameter("eu-west-1", name).await.unwrap();
        let again = fake.remove_parameter("eu-west-1", name).await;
        assert!(again.is_err(), "{name} was there, and is gone");
    }
}
