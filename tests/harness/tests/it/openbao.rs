use keyhole_test_harness::OpenBao;
use serde_json::json;

#[tokio::test]
async fn openbao_keeps_entries_of_both_engines_and_tells_what_it_was_asked() {
    let bao = OpenBao::start().await.unwrap();
    bao.mount_kv("kv", 1).await.unwrap();
    bao.write("kv/app", json!({"password": "one"})).await.unwrap();
    let read = async |path| bao.call(http::Method::GET, "", path, json!(null)).await;
    assert_eq!(read("kv/app").await.unwrap()["data"]["password"], "one");
    bao.write("secret/data/app", json!({"data": {"password": "two"}}))
        .await
        .unwrap();
    assert_eq!(
        read("secret/data/app").await.unwrap()["data"]["data"]["password"],
        "two"
    );
    assert_eq!(bao.asked("read", "secret/data/app").unwrap(), 1);
    bao.seal().await.unwrap();
    assert!(format!("{:#}", read("kv/app").await.unwrap_err()).contains("sealed"));
}
