use keyhole_test_harness::Moto;
use serde_json::json;

#[tokio::test]
async fn moto_keeps_values_per_region() {
    let moto = Moto::start().await.unwrap();
    let store = moto.secrets_manager();
    store.put_secret("eu-west-1", "db", "one").await.unwrap();
    store.put_secret("eu-west-1", "db", "two").await.unwrap();
    let answer = store
        .call("eu-west-1", "GetSecretValue", &json!({"SecretId": "db"}))
        .await
        .unwrap();
    assert_eq!(answer["SecretString"], "two");
    assert!(
        store
            .call("us-east-1", "GetSecretValue", &json!({"SecretId": "db"}))
            .await
            .is_err()
    );
}
