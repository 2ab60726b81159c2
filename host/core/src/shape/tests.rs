mod lossless;

use super::*;
use crate::failure::Retry;
use crate::json::tests::document;
use crate::request::{JsonText, Request, Selector};

/// As everybody gets it who asks for nothing else.
fn shape(items: &[Item], answers: &[Answer<'_>]) -> Result<BTreeMap<String, SecretBytes>, Vec<Failure>> {
    let shaped = super::shape(items, answers, Leniency::default())?;
    assert!(shaped.dropped.is_empty());
    Ok(shaped.data)
}

fn item(place: &str, selector: Selector, mapping: Mapping) -> Item {
    Item {
        place: place.to_owned(),
        request: Request {
            selector,
            options: JsonText::default(),
        },
        mapping,
    }
}

fn single(name: &str, property: Option<&str>, is_binary: bool) -> Item {
    let mapping = Mapping::Single {
        name: name.to_owned(),
        property: property.map(str::to_owned),
        is_binary,
    };
    item("data[0]", Selector::Key("K".into()), mapping)
}

fn spread() -> Item {
    item("dataFrom[0]", Selector::Key("K".into()), Mapping::Spread)
}

fn under_path() -> Item {
    item(
        "data[0]",
        Selector::Prefix {
            path: "/p".into(),
            recursive: true,
        },
        Mapping::Path,
    )
}

fn text(value: impl Into<Vec<u8>>) -> Value {
    Value {
        bytes: SecretBytes::new(value.into()),
        is_text: true,
        version: None,
    }
}

fn binary(value: &[u8]) -> Value {
    Value {
        bytes: SecretBytes::new(value.to_vec()),
        is_text: false,
        version: None,
    }
}

fn named(name: &str, full_name: &str, value: &str) -> NamedValue {
    NamedValue {
        name: name.to_owned(),
        full_name: full_name.to_owned(),
        value: text(value),
    }
}

fn shown(data: &BTreeMap<String, SecretBytes>) -> Vec<(String, String)> {
    data.iter()
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value.expose()).into_owned()))
        .collect()
}

/// The one key that `item` makes of `value`.
fn one(item: Item, value: &Value) -> Vec<u8> {
    let data = shape(&[item], &[Answer::Value(value)]).unwrap();
    assert_eq!(data.len(), 1);
    data["n"].expose().to_vec()
}

fn property(value: &str, property: &str) -> String {
    String::from_utf8(one(single("n", Some(property), false), &text(value))).unwrap()
}

fn spread_of(value: &str) -> Vec<(String, String)> {
    shown(&shape(&[spread()], &[Answer::Value(&text(value))]).unwrap())
}

fn failure(item: Item, answer: Answer<'_>) -> Failure {
    let failures = shape(&[item], &[answer]).unwrap_err();
    assert_eq!(failures.len(), 1);
    failures.into_iter().next().unwrap()
}

#[test]
fn v1_a_plain_value_is_stored_byte_for_byte() {
    for value in ["", "x", "é𝄞\0\n", "{\"a\": 1 }", " null "] {
        assert_eq!(one(single("n", None, false), &text(value)), value.as_bytes());
    }
    assert_eq!(one(single("n", None, false), &binary(&[0, 255, 128])), [0, 255, 128]);
}

#[test]
fn a_property_of_a_json_value_is_taken() {
    assert_eq!(property(r#"{"a":"x"}"#, "a"), "x");
    assert_eq!(property(r#"{"a":{"b":"x"}}"#, "a.b"), "x");
    assert_eq!(property(r#"{"a.b":"literal","a":{"b":"nested"}}"#, "a.b"), "literal");
    assert_eq!(property(r#"{"a":[{"b":0},{"b":"x"}]}"#, "a[1].b"), "x");
    assert_eq!(property(r#"{"a":[{"b":0},{"b":"x"}]}"#, "a.1.b"), "x");
    assert_eq!(property(r#"{"":"x"}"#, ""), "x");
    assert_eq!(property(r#"{"t":"abc"}"#, "t.length"), "3");
    assert_eq!(property(r#"{"t":"abc"}"#, "t[0]"), "a");
    assert_eq!(property(r#"{"t":"\ud800"}"#, "t"), "\u{fffd}");
    assert_eq!(property(r#"{"t":{"u":"\ud800"}}"#, "t"), r#"{"u":"\ud800"}"#);
}

#[test]
fn v1_what_is_no_text_is_stored_as_it_is_written() {
    assert_eq!(property(r#"{"a":null}"#, "a"), "null");
    assert_eq!(property(r#"{"a":true}"#, "a"), "true");
    assert_eq!(property(r#"{"a":{ "c" : [ 1, "é" ] }}"#, "a"), r#"{"c":[1,"é"]}"#);
    for digits in ["1.50", "12345678901234567890", "1e400", "-0", "1E21", "0.1000"] {
        assert_eq!(property(&format!("{{\"a\":{digits}}}"), "a"), digits);
        assert_eq!(property(&format!("{{\"a\":[{digits} ]}}"), "a"), format!("[{digits}]"));
    }
}

#[test]
fn a_missing_property_reads_as_in_kes() {
    let value = text(r#"{"a":{"b":1}}"#);
    for missing in ["oops", "a.c", "a.b.c", "constructor.name", "toString"] {
        let failure = failure(single("n", Some(missing), false), Answer::Value(&value));
        assert_eq!(
            failure.status_line(),
            format!("ERROR, Could not find property {missing} in K")
        );
        assert_eq!(
            (failure.reason, failure.item.as_deref()),
            (Reason::InvalidValue, Some("data[0]"))
        );
    }
}

#[test]
fn a_property_of_what_is_no_json_is_an_error_that_quotes_nothing() {
    for value in [&b"hunter2"[..], b"", b"{\"a\":hunter2}", b"\xff{}"] {
        let failure = failure(single("n", Some("a"), false), Answer::Value(&text(value)));
        assert_eq!(failure.reason, Reason::InvalidValue);
        assert!(
            failure.message.starts_with("the value of \"K\" is not "),
            "{}",
            failure.message
        );
        assert!(!failure.condition_message(0).contains("hunter2"));
    }
}

#[test]
fn text_that_is_marked_as_binary_is_decoded() {
    assert_eq!(one(single("n", None, true), &text("Zm9v")), b"foo");
    assert_eq!(one(single("n", None, true), &text("Zm 9v=junk")), b"foo");
    assert_eq!(one(single("n", Some("a"), true), &text(r#"{"a":"Zm9v"}"#)), b"foo");
    assert_eq!(
        one(single("n", Some("a"), true), &text(r#"{"a":1234}"#)),
        b"1234",
        "only text is decoded"
    );
    assert_eq!(
        one(single("n", Some("a"), true), &text(r#"{"a":{"b":1}}"#)),
        br#"{"b":1}"#
    );
}

#[test]
fn what_the_store_calls_binary_is_never_decoded_again() {
    for is_binary in [false, true] {
        assert_eq!(one(single("n", None, is_binary), &binary(b"Zm9v")), b"Zm9v");
    }
    assert_eq!(one(single("n", Some("a"), false), &binary(br#"{"a":"Zm9v"}"#)), b"Zm9v");
    assert_eq!(one(single("n", Some("a"), true), &binary(br#"{"a":"Zm9v"}"#)), b"foo");
}

#[test]
fn v1_an_object_is_spread_over_keys() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        spread_of(
            r#"{"b":"x","a":{ "c" : 1.50 },"n":null,"__proto__":"p","é":1}"#
                .replace("\"é\":1", "\"e\":12345678901234567890")
                .as_str()
        ),
        [
            pair("__proto__", "p"),
            pair("a", r#"{"c":1.50}"#),
            pair("b", "x"),
            pair("e", "12345678901234567890"),
            pair("n", "null")
        ]
    );
    assert_eq!(
        spread_of(r#"["x",{"a":1},null]"#),
        [pair("0", "x"), pair("1", r#"{"a":1}"#), pair("2", "null")]
    );
    assert_eq!(spread_of(r#"{"a":1,"a":2}"#), [pair("a", "2")]);
    let data = shape(&[spread()], &[Answer::Value(&binary(br#"{"a":"x"}"#))]).unwrap();
    assert_eq!(shown(&data), [pair("a", "x")]);
}

#[test]
fn what_cannot_be_spread_is_an_error() {
    for (value, what) in [
        ("hunter2", "not JSON from byte 0 on"),
        ("\"hunter2\"", "a JSON text"),
        ("12345", "a number"),
        ("null", "null"),
        ("true", "a boolean"),
    ] {
        let failure = failure(spread(), Answer::Value(&text(value)));
        assert_eq!(
            failure.status_line(),
            format!("ERROR, dataFrom[0]: the value of \"K\" is {what}, so it cannot be spread over keys")
        );
        assert_eq!(failure.reason, Reason::InvalidValue);
    }
}

#[test]
fn values_under_a_path_get_their_proposed_names() {
    let values = [named("a", "/p/a", "1"), named("b", "/p/x/b", "2")];
    let data = shape(&[under_path()], &[Answer::Values(&values)]).unwrap();
    assert_eq!(
        shown(&data),
        [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]
    );
}

#[test]
fn two_values_of_one_name_under_a_path_are_both_named() {
    let values = [
        named("a", "/p/x/a", "1"),
        named("b", "/p/b", "2"),
        named("a", "/p/y/a", "1"),
    ];
    let failure = failure(under_path(), Answer::Values(&values));
    assert_eq!(
        failure.status_line(),
        "ERROR, data[0]: \"/p/x/a\" and \"/p/y/a\" both give key \"a\""
    );
}

#[test]
fn a_later_item_wins() {
    let items = [
        spread(),
        spread(),
        single("a", None, false),
        under_path(),
        single("c", None, false),
    ];
    let (first, second, third, last) = (
        text(r#"{"a":"1","b":"1","c":"1","d":"1"}"#),
        text(r#"{"a":"2","b":"2"}"#),
        text("3"),
        text("5"),
    );
    let values = [named("b", "/p/b", "4")];
    let answers = [
        Answer::Value(&first),
        Answer::Value(&second),
        Answer::Value(&third),
        Answer::Values(&values),
        Answer::Value(&last),
    ];
    let data = shape(&items, &answers).unwrap();
    let expected =
        [("a", "3"), ("b", "4"), ("c", "5"), ("d", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(shown(&data), expected);
}

#[test]
fn one_failure_fails_all_and_every_failure_is_told_in_order() {
    let items = [
        single("a", Some("x"), false),
        single("ok", None, false),
        Item {
            place: "data[2]".to_owned(),
            ..single("b", Some("y"), false)
        },
    ];
    let value = text("{}");
    let failures = shape(&items, &[Answer::Value(&value); 3]).unwrap_err();
    let places: Vec<_> = failures.iter().map(|failure| failure.item.as_deref()).collect();
    assert_eq!(places, [Some("data[0]"), Some("data[2]")]);
}

#[test]
fn keys_that_the_api_server_refuses_are_named_first() {
    let value = text("x");
    let long = "a".repeat(254);
    for name in ["", "a b", "a/b", "é", ".", "..", "..data", "a\n", long.as_str()] {
        let of_name = failure(single(name, None, false), Answer::Value(&value));
        assert_eq!(of_name.reason, Reason::InvalidSpec, "{name}");
        let object = serde_json::to_string(&BTreeMap::from([(name, "hunter2")])).unwrap();
        let of_spread = failure(spread(), Answer::Value(&text(object)));
        assert_eq!(of_spread.reason, Reason::InvalidValue, "{name}");
        assert!(!of_spread.message.contains("hunter2") && of_spread.message.len() < 400);
        let of_path = failure(under_path(), Answer::Values(&[named(name, "/p/full", "hunter2")]));
        assert!(of_path.message.contains("/p/full") && !of_path.message.contains("hunter2"));
    }
    for name in ["a", "A-Z_0.9", ".dot", "a..b", "-", &"a".repeat(253)] {
        assert!(
            shape(&[single(name, None, false)], &[Answer::Value(&value)]).is_ok(),
            "{name}"
        );
    }
}

#[test]
fn a_secret_without_any_key_is_never_written() {
    let object = text("{}");
    for (items, answers) in [
        (vec![], vec![]),
        (vec![under_path()], vec![Answer::Values(&[])]),
        (vec![spread()], vec![Answer::Value(&object)]),
        (
            vec![spread(), under_path()],
            vec![Answer::Value(&object), Answer::Values(&[])],
        ),
    ] {
        let failures = shape(&items, &answers).unwrap_err();
        assert_eq!((failures.len(), failures[0].reason), (1, Reason::InvalidValue));
    }
    let failure = failure(under_path(), Answer::Values(&[]));
    assert_eq!(
        failure.status_line(),
        "ERROR, nothing was found, so the Secret would have no key: data[0] (/p)"
    );
    let other = text("x");
    assert!(
        shape(
            &[under_path(), single("n", None, false)],
            &[Answer::Values(&[]), Answer::Value(&other)]
        )
        .is_ok()
    );
}

#[test]
fn data_over_one_mebibyte_is_refused_with_the_largest_keys() {
    let (large, small) = (text(vec![b'x'; LARGEST_DATA - 10]), text(vec![b'y'; 10]));
    let items = [
        single("large", None, false),
        single("small", None, false),
        single("tiny", None, false),
    ];
    assert!(shape(&items[..2], &[Answer::Value(&large), Answer::Value(&small)]).is_ok());
    let tiny = text("z");
    let failures = shape(
        &items,
        &[Answer::Value(&large), Answer::Value(&small), Answer::Value(&tiny)],
    )
    .unwrap_err();
    assert_eq!(failures[0].reason, Reason::TooLarge);
    assert_eq!(
        failures[0].message,
        "the data is 1048577 bytes, a Secret takes 1048576; largest: large (1048566 bytes), small (10 bytes), tiny (1 bytes)"
    );
}

#[test]
fn answers_that_do_not_fit_are_a_fault_of_the_plugin() {
    let value = text("x");
    for (items, answers) in [
        (vec![single("n", None, false)], vec![]),
        (vec![], vec![Answer::Value(&value)]),
        (vec![single("n", None, false)], vec![Answer::Values(&[])]),
        (vec![spread()], vec![Answer::Values(&[])]),
        (vec![under_path()], vec![Answer::Value(&value)]),
    ] {
        let failures = shape(&items, &answers).unwrap_err();
        assert_eq!(
            (failures[0].reason, failures[0].reason.retry()),
            (Reason::PluginFailed, Retry::Backoff)
        );
    }
}

#[test]
fn every_member_that_is_spread_is_what_property_gives() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut compared = 0;
    for _ in 0..20_000 {
        let document = document(&mut random, 4);
        let value = text(document.clone());
        let Ok(data) = shape(&[spread()], &[Answer::Value(&value)]) else {
            continue;
        };
        for (name, expected) in &data {
            let taken = shape(&[single("n", Some(name), false)], &[Answer::Value(&value)]).unwrap();
            assert_eq!(taken["n"], *expected, "{name} of {document}");
            compared += 1;
        }
    }
    assert!(compared > 5_000, "{compared}");
}

#[test]
fn no_bytes_make_it_panic_and_plain_bytes_are_never_changed() {
    let mut random = fastrand::Rng::with_seed(10);
    let properties = [
        None,
        Some(""),
        Some("a"),
        Some("a.b[0]"),
        Some("length"),
        Some("[\"\\"),
        Some("."),
    ];
    for round in 0..20_000 {
        let mut bytes: Vec<u8> = if round % 2 == 0 {
            (0..random.usize(..40)).map(|_| random.u8(..)).collect()
        } else {
            document(&mut random, 4).into_bytes()
        };
        if !bytes.is_empty() && round % 3 == 0 {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        let value = Value {
            bytes: SecretBytes::new(bytes.clone()),
            is_text: random.bool(),
            version: None,
        };
        for property in properties {
            let shaped = shape(&[single("n", property, random.bool())], &[Answer::Value(&value)]);
            if property.is_none() && !value.is_text {
                assert_eq!(shaped.unwrap()["n"].expose(), bytes);
            }
        }
        assert_eq!(one(single("n", None, false), &value), bytes);
        let _ = shape(&[spread()], &[Answer::Value(&value)]);
    }
}

fn leniently(item: Item, answer: Answer<'_>) -> (Vec<(String, String)>, Vec<String>) {
    let leniency = Leniency {
        drops_malformed: true,
        last_of_path_wins: true,
    };
    let shaped = super::shape(&[item], &[answer], leniency).unwrap();
    let dropped = shaped.dropped.iter().map(Failure::status_line).collect();
    (shown(&shaped.data), dropped)
}

#[test]
fn on_request_a_malformed_value_gives_no_key_and_is_told() {
    let (data, dropped) = leniently(single("n", Some("a"), false), Answer::Value(&text("hunter2")));
    assert!(data.is_empty());
    assert!(
        dropped[0].starts_with("ERROR, data[0]: the value of \"K\" is not JSON"),
        "{dropped:?}"
    );
    for value in ["7", "null", "true", "hunter2", "{"] {
        let (data, dropped) = leniently(spread(), Answer::Value(&text(value)));
        assert!(data.is_empty() && dropped.len() == 1, "{value}");
    }
}

#[test]
fn on_request_a_text_is_spread_over_its_units() {
    let (data, dropped) = leniently(spread(), Answer::Value(&text(r#""aé\ud834\udd1e""#)));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        data,
        [
            pair("0", "a"),
            pair("1", "é"),
            pair("2", "\u{fffd}"),
            pair("3", "\u{fffd}")
        ]
    );
    assert!(dropped.is_empty());
}

#[test]
fn on_request_the_last_of_two_leaves_stays() {
    let values = [
        named("a", "/p/x/a", "first"),
        named("b", "/p/b", "b"),
        named("a", "/p/y/a", "last"),
    ];
    let (data, _) = leniently(under_path(), Answer::Values(&values));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(data, [pair("a", "last"), pair("b", "b")]);
}

#[test]
fn leniency_covers_neither_a_missing_property_nor_a_bad_name() {
    let leniency = Leniency {
        drops_malformed: true,
        last_of_path_wins: true,
    };
    let value = text(r#"{"a/b":1}"#);
    for item in [single("n", Some("oops"), false), single("a/b", None, false), spread()] {
        assert!(super::shape(&[item], &[Answer::Value(&value)], leniency).is_err());
    }
}
