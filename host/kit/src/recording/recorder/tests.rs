use super::*;
use http::{HeaderValue, Method, StatusCode};
use keyhole_core::Value;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

fn observed(
    request_headers: &[(&'static str, &str)],
    response_headers: &[(&'static str, &str)],
    body: &str,
) -> Observed {
    Observed {
        method: Method::GET,
        uri: "https://store.example.com/v1/prod/db?list=true".parse().unwrap(),
        request_headers: headers(request_headers),
        request_body: SecretBytes::default(),
        status: StatusCode::OK,
        response_headers: headers(response_headers),
        response_body: SecretBytes::from(body.to_owned()),
    }
}

fn value(text: &str) -> Outcome {
    Outcome::Value(Value {
        bytes: SecretBytes::from(text.to_owned()),
        is_text: true,
        version: Some("3".into()),
    })
}

fn asking<'a>(settings: &'a Map<String, Json>, outcomes: &'a [Outcome]) -> Asking<'a> {
    Asking {
        settings,
        requests: vec![Asked {
            key: Some("prod/db".into()),
            ..Asked::default()
        }],
        outcomes,
        credentials: BTreeMap::new(),
    }
}

#[test]
fn a_recording_is_a_case_that_can_be_read_again_and_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    recorder.handled(&SecretBytes::from("session-token-1234".to_owned()));
    recorder.exchange(observed(
        &[("authorization", "Bearer header-credential"), ("accept", "application/json"), ("x-vault-token", "t0k3n-t0k3n")],
        &[("content-type", "application/json"), ("set-cookie", "id=cookie-cookie; HttpOnly"), ("date", "today")],
        r#"{"value":"correct horse","t":"t0k3n-t0k3n","s":"session-token-1234","h":"header-credential","c":"cookie-cookie"}"#,
    ));
    let settings = Map::new();
    let outcomes = [value("correct horse")];
    let files = recorder.write(folder.path(), asking(&settings, &outcomes)).unwrap();
    assert_eq!(files.len(), 2);
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        for secret in [
            "correct horse",
            "t0k3n",
            "session-token",
            "header-credential",
            "cookie-cookie",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    let read = crate::case::Recorded::load(folder.path()).unwrap();
    assert_eq!(
        read.case.requests[0].expect.value.as_deref(),
        Some("replaced-secret-01")
    );
    assert_eq!(read.case.requests[0].expect.version.as_deref(), Some("3"));
    let exchange = &read.exchanges[0];
    assert_eq!(exchange.request.url, "https://store.example.com/v1/prod/db?list=true");
    assert_eq!(exchange.request.headers.keys().collect::<Vec<_>>(), ["accept"]);
    assert_eq!(exchange.response.headers.keys().collect::<Vec<_>>(), ["content-type"]);
    let body: Json = serde_json::from_str(exchange.response.body.as_ref().unwrap()).unwrap();
    assert_eq!(body["value"], "replaced-secret-01");
}

#[test]
fn what_cannot_be_made_safe_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Map::new();
    let outcomes = [value("correct horse battery")];
    // In base64 of something larger, which nobody can take apart without knowing what it is.
    use base64::Engine as _;
    let hidden = base64::engine::general_purpose::STANDARD.encode("x correct horse battery z");
    let recorder = Recorder::default();
    recorder.exchange(observed(&[], &[], &format!(r#"{{"v":"{hidden}"}}"#)));
    let error = recorder
        .write(folder.path(), asking(&settings, &outcomes))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a secret is left in base64 in the response body of GET /v1/prod/db"),
        "{error}"
    );
    let compressed = Recorder::default();
    compressed.exchange(observed(&[], &[("content-encoding", "gzip")], "?"));
    let error = compressed
        .write(folder.path(), asking(&settings, &outcomes))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("content-encoding") && error.contains("accept-encoding"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_case_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Map::new();
    let outcomes = [value("v")];
    Recorder::default()
        .write(folder.path(), asking(&settings, &outcomes))
        .unwrap();
    let error = Recorder::default()
        .write(folder.path(), asking(&settings, &outcomes))
        .unwrap_err();
    assert!(error.to_string().contains("holds a case already"), "{error}");
}

#[test]
fn a_value_that_the_request_itself_names_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    recorder.exchange(observed(&[], &[], "prod"));
    let (settings, outcomes) = (Map::new(), [value("prod")]);
    let error = recorder
        .write(&folder.path().join("case"), asking(&settings, &outcomes))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nothing was recorded") && error.contains("another value"),
        "{error}"
    );
    assert!(!folder.path().join("case").exists());
}
