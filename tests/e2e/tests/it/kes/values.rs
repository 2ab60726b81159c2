//! Values of every kind on their whole way: store, sandbox, host, API server.
//!
//! The rules themselves are tested without a cluster, in `host/core`; here is one case of each, so that no
//! stage on the way changes what another one kept.

use serde_json::json;

use crate::case::{Case, Data};
use crate::world::{case, moto_case};

/// A value with everything that a property can lead to.
const DOCUMENT: &str = r#"{
  "plain": "qv-plain-text", "empty": "", "": "qv-nameless", "utf8": "zwölf Boxkämpfer 𝄞 \u00e9\ud83d\ude00",
  "lines": "one\n\ttwo\r\n", "half": "\ud800",
  "a": {"b": "qv-nested", "list": [{"b": "qv-first"}, {"b": "qv-second"}], "": {"c": "qv-hollow"}},
  "a.b": "qv-dotted", "x.y": {"z": 1}, "__proto__": "qv-proto",
  "price": 1.50, "large": 12345678901234567890, "huge": 1e400, "tiny": -0, "thousand": 1E+3,
  "yes": true, "no": false, "nothing": null,
  "object": {"b": [1, 2.50, {"c": null}], "10": "ten", "2": "two", "half": "\ud800", "a" : "\/" },
  "list": ["p", "q", "r"], "encoded": "Zm9v", "urlsafe": "-_-_", "broken": "Zm 9v\n=junk"
}"#;

/// Property, and what comes out.
const PROPERTIES: [(&str, &str); 37] = [
    ("plain", "qv-plain-text"),
    ("empty", ""),
    ("", "qv-nameless"),
    ("utf8", "zwölf Boxkämpfer 𝄞 é😀"),
    ("lines", "one\n\ttwo\r\n"),
    ("half", "\u{fffd}"),
    ("a.list[1].b", "qv-second"),
    ("a.list.1.b", "qv-second"),
    ("a['list'][0][\"b\"]", "qv-first"),
    ("a..c", "qv-hollow"),
    ("a[\"b\"]", "qv-nested"),
    // A literal name wins over a path, but only as a whole.
    ("a.b", "qv-dotted"),
    ("x.y", r#"{"z":1}"#),
    ("['x.y'].z", "1"),
    ("__proto__", "qv-proto"),
    // Numbers as written.
    ("price", "1.50"),
    ("large", "12345678901234567890"),
    ("huge", "1e400"),
    ("tiny", "-0"),
    ("thousand", "1E+3"),
    ("yes", "true"),
    ("no", "false"),
    ("nothing", "null"),
    // Compact, index-like names first, a lone surrogate stays escaped.
    (
        "object",
        r#"{"2":"two","10":"ten","b":[1,2.50,{"c":null}],"half":"\ud800","a":"/"}"#,
    ),
    ("object.b", r#"[1,2.50,{"c":null}]"#),
    ("object.b[2].c", "null"),
    ("object.10", "ten"),
    ("list", r#"["p","q","r"]"#),
    ("list[2]", "r"),
    ("list.length", "3"),
    ("plain.length", "13"),
    ("plain[0]", "q"),
    ("plain[3]", "p"),
    ("utf8.length", "23"),
    ("encoded", "Zm9v"),
    ("urlsafe", "-_-_"),
    ("broken", "Zm 9v\n=junk"),
];

/// Property with `isBinary`, and the bytes.
const BINARY: [(&str, &[u8]); 5] = [
    ("encoded", b"foo"),
    ("urlsafe", &[0xfb, 0xff, 0xbf]),
    ("broken", b"foo"),
    // Only text is decoded.
    ("large", b"12345678901234567890"),
    ("list", br#"["p","q","r"]"#),
];

#[test]
fn v1_properties_of_every_kind_come_out_as_they_were_written() {
    case(properties);
}

#[test]
fn v1_against_moto_properties_of_every_kind_come_out_as_they_were_written() {
    moto_case(properties);
}

async fn properties(case: &Case) {
    let (text, _) = case.put("text", DOCUMENT).await;
    let (bytes, _) = case.put("bytes", DOCUMENT.as_bytes()).await;
    for key in [&text, &bytes] {
        let (mut data, mut wanted) = (Vec::new(), Data::new());
        for (number, (property, value)) in PROPERTIES.iter().enumerate() {
            let name = format!("text-{number}");
            data.push(json!({"key": key, "name": name, "property": property}));
            wanted.insert(name, value.as_bytes().to_vec());
        }
        for (number, (property, value)) in BINARY.iter().enumerate() {
            let name = format!("binary-{number}");
            data.push(json!({"key": key, "name": name, "property": property, "isBinary": true}));
            wanted.insert(name, value.to_vec());
        }
        let name = key.rsplit('/').next().unwrap();
        case.create(name, json!(data)).await;
        case.expect_bytes(name, &wanted).await;
    }
}

#[test]
fn v1_plain_values_come_out_byte_for_byte() {
    case(async |case| {
        let values: [(&str, &str); 6] = [
            ("utf8", "zwölf Boxkämpfer 𝄞 😀"),
            ("json", " { \"spaces\" : [ 1.50 , \"stay\" ] }\n"),
            ("lines", "one\r\ntwo\n\n\tthree \n"),
            ("null", "null"),
            ("quotes", "\"quoted\" \\ 'single'"),
            ("control", "\u{1}\u{7f}\u{2028}\u{feff}"),
        ];
        let (mut data, mut wanted) = (Vec::new(), Data::new());
        for (name, value) in values {
            let key = case.set(name, value);
            data.push(json!({"key": key, "name": name}));
            wanted.insert(name.to_owned(), value.as_bytes().to_vec());
        }
        case.create("app", json!(data)).await;
        case.expect_bytes("app", &wanted).await;
    });
}

#[test]
fn v1_every_form_of_base64_is_decoded() {
    case(async |case| {
        let forms: [(&str, &str, &[u8]); 6] = [
            ("padded", "Zm9vYg==", b"foob"),
            ("unpadded", "Zm9vYg", b"foob"),
            ("lines", "Zm9v\nYmFy\r\n", b"foobar"),
            ("standard", "+/+/", &[0xfb, 0xff, 0xbf]),
            ("urlsafe", "-_-_", &[0xfb, 0xff, 0xbf]),
            ("ended", "Zm9v=Zm9v", b"foo"),
        ];
        let (mut data, mut wanted) = (Vec::new(), Data::new());
        for (name, text, bytes) in forms {
            let key = case.set(name, text);
            data.push(json!({"key": key, "name": name, "isBinary": true}));
            wanted.insert(name.to_owned(), bytes.to_vec());
        }
        case.create("app", json!(data)).await;
        case.expect_bytes("app", &wanted).await;
    });
}

#[test]
fn v1_every_member_of_an_object_that_is_spread_is_a_key() {
    case(async |case| {
        let document = r#"{"text": "zwölf", "empty": "", "number": 1.50, "large": 12345678901234567890, "yes": true,
            "nothing": null, "object": {"b": 1, "2": "x"}, "list": [1, "a"], "dotted.name": "d", "twice": 1, "twice": 2,
            "__proto__": "p"}"#;
        let key = case.set("object", document);
        let spec = json!({"backendType": "secretsManager", "dataFrom": [key]});
        case.create_spec("app", spec).await;
        let wanted = [
            ("text", "zwölf"),
            ("empty", ""),
            ("number", "1.50"),
            ("large", "12345678901234567890"),
            ("yes", "true"),
            ("nothing", "null"),
            ("object", r#"{"2":"x","b":1}"#),
            ("list", r#"[1,"a"]"#),
            ("dotted.name", "d"),
            ("twice", "2"),
            ("__proto__", "p"),
        ];
        case.expect_data("app", &wanted).await;
    });
}

#[test]
fn v1_a_property_reaches_only_what_the_value_itself_contains() {
    case(async |case| {
        let key = case.set("db", json!({"user": {"name": "qv-own-member"}}).to_string());
        for (number, property) in ["constructor.name", "user.toString", "user.__proto__"]
            .iter()
            .enumerate()
        {
            let name = format!("app-{number}");
            case.create(&name, json!([{"key": key, "name": "value", "property": property}]))
                .await;
            let line = format!("Could not find property {property} in {key}");
            case.expect_error(&name, "InvalidValue", &[&line]).await;
        }
    });
}
