//! The operator's own web identity, as a pod of EKS has it, where the operator moved STS.
//!
//! It is found in the environment, so it is looked at in a process of its own: this very test, run again.

use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::api_server::token;

const CHILD: &str = "KEYHOLE_TEST_STS";

#[tokio::test]
async fn the_operators_own_web_identity_is_exchanged_at_the_moved_sts() {
    if let Ok(endpoint) = std::env::var(CHILD) {
        let identities = Identities::new(IdentityConfig {
            region: Some("eu-west-1".into()),
            endpoints: EndpointOverrides::default().with("sts", &endpoint).unwrap(),
            ..IdentityConfig::default()
        });
        let own = session(&identities, &Identity::default()).await.unwrap();
        assert!(own.session_token().is_some() && own.expiry().is_some());
        // From there the role of an object.
        session(&identities, &role(APP)).await.unwrap();
        return;
    }
    let aws = aws();
    let folder = std::env::temp_dir().join(format!("keyhole-web-identity-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let subject = "system:serviceaccount:keyhole-system:keyhole";
    let shown = token(
        &json!(["sts.amazonaws.com"]),
        subject,
        SystemTime::now() + Duration::from_secs(600),
        0,
    );
    std::fs::write(folder.join("token"), format!("{shown}\n")).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "web_identity::the_operators_own_web_identity_is_exchanged_at_the_moved_sts",
            "--nocapture",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &folder)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", folder.join("token"))
        .env("AWS_ROLE_ARN", HUB)
        .env(CHILD, aws.endpoint())
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    let asked: Vec<_> = aws
        .requests()
        .into_iter()
        .map(|request| (request.operation, request.principal.unwrap()))
        .collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0], ("AssumeRoleWithWebIdentity".to_owned(), subject.to_owned()));
    assert_eq!(asked[1].0, "AssumeRole");
    assert!(asked[1].1.contains("assumed-role/hub/"), "{asked:?}");
}
