use super::*;

fn secrets(values: &[&str]) -> Secrets {
    let mut secrets = Secrets::default();
    for value in values {
        secrets.add(&SecretBytes::from((*value).to_owned()));
    }
    secrets
}

fn replaced(values: &[&str], text: &str) -> String {
    String::from_utf8(secrets(values).replace(text.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_secret_is_replaced_by_the_same_text_everywhere() {
    let text = r#"{"a":"correct horse","b":"x correct horse y","c":"other"}"#;
    assert_eq!(
        replaced(&["correct horse"], text),
        r#"{"a":"replaced-secret-01","b":"x replaced-secret-01 y","c":"other"}"#
    );
}

#[test]
fn every_form_is_replaced_by_the_same_form_of_the_placeholder() {
    let secret = "a \"b\"/ü\n";
    let once = escaped(secret);
    for (form, stand_in) in [
        (once.clone(), "replaced-secret-01".to_owned()),
        (escaped(&once), "replaced-secret-01".to_owned()),
        (escaped_to_ascii(&once), "replaced-secret-01".to_owned()),
        (
            percent_encode(secret.as_bytes(), SEGMENT).to_string(),
            "replaced-secret-01".to_owned(),
        ),
        ("a+%22b%22%2F%C3%BC%0A".to_owned(), "replaced-secret-01".to_owned()),
        ("a%20%22b%22%2f%c3%bc%0a".to_owned(), "replaced-secret-01".to_owned()),
        (STANDARD.encode(secret), STANDARD.encode("replaced-secret-01")),
        (
            URL_SAFE_NO_PAD.encode(secret),
            URL_SAFE_NO_PAD.encode("replaced-secret-01"),
        ),
    ] {
        assert_eq!(
            replaced(&[secret], &format!("<{form}>")),
            format!("<{stand_in}>"),
            "{form}"
        );
    }
}

#[test]
fn what_is_json_keeps_its_shape() {
    let value = r#"{"user":"application","port":5432,"tls":true,"none":null,"list":["hunter2hunter2"]}"#;
    let expected = r#"{"user":"replaced-secret-03","port":9002,"tls":true,"none":null,"list":["replaced-secret-01"]}"#;
    assert_eq!(replaced(&[value], value), expected);
    // As a JSON text in JSON, and in base64.
    let nested = Json::from(value).to_string();
    assert_eq!(replaced(&[value], &nested), Json::from(expected).to_string());
    assert_eq!(replaced(&[value], &STANDARD.encode(value)), STANDARD.encode(expected));
    // Written anew by the store, with other blanks.
    let spaced = r#"{ "user" : "application" }"#;
    assert_eq!(replaced(&[value], spaced), r#"{ "user" : "replaced-secret-03" }"#);
}

#[test]
fn digits_stay_digits_of_the_same_number() {
    let text = replaced(&["12345678"], r#"{"pin":12345678,"as text":"12345678"}"#);
    assert_eq!(text, r#"{"pin":90000001,"as text":"90000001"}"#);
}

#[test]
fn a_short_secret_is_replaced_only_where_it_stands_alone() {
    assert_eq!(
        replaced(&["prod"], r#"{"v":"prod","product":"a prod b"}"#),
        r#"{"v":"replaced-secret-01","product":"a replaced-secret-01 b"}"#
    );
    assert_eq!(
        replaced(&["ab"], r#"{"v":"ab","w":"a ab b"}"#),
        r#"{"v":"replaced-secret-01","w":"a ab b"}"#
    );
    assert_eq!(replaced(&["ab"], "ab"), "replaced-secret-01");
}

#[test]
fn what_the_request_names_itself_is_no_secret() {
    let mut secrets = Secrets::default();
    secrets.is_public("team/production");
    secrets.add(&SecretBytes::from("production".to_owned()));
    assert!(secrets.is_empty());
    assert_eq!(
        secrets.replace(b"https://s/team/production").unwrap(),
        b"https://s/team/production"
    );
}

#[test]
fn what_is_left_is_found_in_every_form_and_at_every_place_of_base64() {
    let secret = "correct horse battery";
    let secrets = secrets(&[secret]);
    let quoted = "he said \"correct horse battery\"";
    for left in [
        format!("x{secret}y"),
        escaped(&escaped(quoted)),
        "correct%20horse%20battery".to_owned(),
        "correct+horse+battery".to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("a{secret}")),
        STANDARD.encode(format!("ab{secret}")),
        URL_SAFE_NO_PAD.encode(format!("abc{secret}def")),
    ] {
        assert!(secrets.left_in(left.as_bytes()).is_some(), "{left}");
    }
    assert_eq!(secrets.left_in(b"correct horse, battery"), None);
    assert_eq!(secrets.left_in(&secrets.replace(quoted.as_bytes()).unwrap()), None);
}

#[test]
fn binary_secrets_are_replaced_too() {
    let mut secrets = Secrets::default();
    secrets.add(&SecretBytes::new(vec![0xff, 0, 1, 2, 3, 0xfe]));
    let body = format!(r#"{{"b":"{}"}}"#, STANDARD.encode([0xff, 0, 1, 2, 3, 0xfe]));
    let replaced = secrets.replace(body.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(replaced).unwrap(),
        format!(r#"{{"b":"{}"}}"#, STANDARD.encode("replaced-secret-01"))
    );
}
