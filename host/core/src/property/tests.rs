//! Which member of a value a property leads to.

use super::*;

/// What `property` of the JSON in `text` comes out as, if it is there.
fn at(text: &str, property: &str) -> Option<String> {
    let json = Json::read(text.as_bytes()).unwrap();
    find(&json, property).map(|found| match found {
        Found::Json(Json::Text(text)) => String::from_utf8(text.utf8()).unwrap(),
        Found::Json(json) => {
            let mut out = Vec::new();
            json.write(&mut out);
            String::from_utf8(out).unwrap()
        }
        Found::Unit(unit) => char::from_u32(unit.into()).unwrap_or('\u{fffd}').to_string(),
        Found::Length(length) => length.to_string(),
    })
}

/// Cases checked against lodash 4.17.21, which KES used.
#[test]
fn v1_properties_resolve_as_in_lodash() {
    for (text, property, expected) in [
        (r#"{"a":"x"}"#, "a", Some("x")),
        (r#"{"a":{"b":"x"}}"#, "a.b", Some("x")),
        (r#"{"a.b":"literal","a":{"b":"nested"}}"#, "a.b", Some("literal")),
        (r#"{"a.b":{"c":1}}"#, "a.b.c", None),
        (r#"{"a.b":{"c":1}}"#, r#"["a.b"].c"#, Some("1")),
        (r#"{"a.b":{"c":1}}"#, "['a.b']['c']", Some("1")),
        (r#"{"a":[{"b":0},{"b":1}]}"#, "a[1].b", Some("1")),
        (r#"{"a":[{"b":0},{"b":1}]}"#, "a.1.b", Some("1")),
        (r#"{"a":[{"b":0},{"b":1}]}"#, "a[2].b", None),
        (r#"{"a":[1]}"#, "a.01", None),
        (r#"{"a":[1]}"#, "a[-1]", None),
        (r#"{"a":{"-1":"m","1.5":"f"}}"#, "a[-1]", Some("m")),
        (r#"{"a":{"-1":"m","1.5":"f"}}"#, "a[1.5]", Some("f")),
        (r#"{"a":{"b":1}}"#, "a[b]", Some("1")),
        (r#"{"":"empty"}"#, "", Some("empty")),
        (r#"{"":{"":1}}"#, ".", Some("1")),
        (r#"{"a":{"":{"b":1}}}"#, "a..b", Some("1")),
        (r#"{"a":{"":1}}"#, "a.", Some("1")),
        (r#"{"a":{"":1}}"#, "a[]", Some("1")),
        (r#"{"":1}"#, "[]", Some("1")),
        (r#"{"a]":1}"#, "a]", Some("1")),
        (r#"{"[":1}"#, "[", Some("1")),
        (r#"{"a":{"\"":1}}"#, r#"a["\""]"#, Some("1")),
        (r#"{"a":{"b\\":1}}"#, r#"a["b\\"]"#, Some("1")),
        (r#"{"t":"text"}"#, "t.length", Some("4")),
        (r#"{"t":"text"}"#, "t[0]", Some("t")),
        (r#"{"t":"text"}"#, "t[0].length", Some("1")),
        (r#"{"t":"text"}"#, "t[0][0][0]", Some("t")),
        (r#"{"t":"text"}"#, "t[0][1]", None),
        (r#"{"t":"text"}"#, "t.length.a", None),
        (r#"{"t":"é𝄞"}"#, "t.length", Some("3")),
        (r#"{"t":"é𝄞"}"#, "t[1]", Some("\u{fffd}")),
        (r#"{"a":[1,2,3]}"#, "a.length", Some("3")),
        (r#"{"length":"mine"}"#, "length", Some("mine")),
        (r#"[10,20]"#, "1", Some("20")),
        (r#"[10,20]"#, "[1]", Some("20")),
        (r#"[10,20]"#, "length", Some("2")),
        (r#""text""#, "0", Some("t")),
        (r#"{"a":null}"#, "a", Some("null")),
        (r#"{"a":null}"#, "a.b", None),
        ("null", "a", None),
        ("1", "a", None),
        ("true", "length", None),
        (r#"{"__proto__":"own"}"#, "__proto__", Some("own")),
        (r#"{"\u0061":"escaped"}"#, "a", Some("escaped")),
        (r#"{"a":1,"a":2}"#, "a", Some("2")),
    ] {
        assert_eq!(at(text, property).as_deref(), expected, "{property} of {text}");
    }
}

#[test]
fn v1_only_what_the_value_contains_can_be_reached() {
    for property in [
        "constructor",
        "constructor.name",
        "toString",
        "__proto__",
        "a.constructor",
        "t.at",
        "l.map",
        "hasOwnProperty",
    ] {
        assert_eq!(at(r#"{"a":{},"t":"x","l":[]}"#, property), None, "{property}");
    }
}

#[test]
fn no_property_makes_it_panic() {
    let mut random = fastrand::Rng::with_seed(1);
    let parts = [
        "a", ".", "[", "]", "[0]", "[\"", "\"]", "'", "\\", "é", "length", "-1", "\0", "0",
    ];
    let json = r#"{"a":[{"0":"é","":{"a":[[]]}},"text"],"é":{"a":"𝄞"}}"#;
    let json = Json::read(json.as_bytes()).unwrap();
    for _ in 0..50_000 {
        let property: String = (0..random.usize(0..9))
            .map(|_| parts[random.usize(..parts.len())])
            .collect();
        let _ = find(&json, &property);
    }
}
