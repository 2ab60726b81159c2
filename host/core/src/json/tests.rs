//! Reading JSON with its digits as they were written.

use super::*;

fn compact(text: &str) -> Result<String, NotJson> {
    let json = Json::read(text.as_bytes())?;
    let mut out = Vec::new();
    json.write(&mut out);
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn what_comes_out_is_compact_and_keeps_every_digit() {
    for (text, expected) in [
        (
            " { \"a\" : [ 1 , 2.50 ] ,\n\t\"b\" : { } }\r\n",
            r#"{"a":[1,2.50],"b":{}}"#,
        ),
        ("12345678901234567890", "12345678901234567890"),
        ("[1.50,-0,1e400,1E+2,0.10]", "[1.50,-0,1e400,1E+2,0.10]"),
        ("[true,false,null,\"\"]", "[true,false,null,\"\"]"),
        (r#""\u00e9\/\u0041""#, "\"é/A\""),
        (
            r#""\b\f\n\r\t\u0001\u001F\u007f\"\\""#,
            "\"\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}\\\"\\\\\"",
        ),
        (r#""\ud83d\ude00 \uD83D\uDE00""#, "\"😀 😀\""),
        (r#""\ud800 \udc00\ud800 \uD83D""#, r#""\ud800 \udc00\ud800 \ud83d""#),
        ("\"\u{2028}\"", "\"\u{2028}\""),
    ] {
        assert_eq!(compact(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn members_come_in_the_order_of_javascript() {
    for (text, expected) in [
        (r#"{"b":1,"a":2}"#, r#"{"b":1,"a":2}"#),
        (
            r#"{"b":1,"10":2,"2":3,"01":4,"-1":5}"#,
            r#"{"2":3,"10":2,"b":1,"01":4,"-1":5}"#,
        ),
        (
            r#"{"4294967295":1,"4294967294":2}"#,
            r#"{"4294967294":2,"4294967295":1}"#,
        ),
        (r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"a":3,"b":2}"#),
        (r#"{"\ud800":1,"\udc00":2,"\ud800":3}"#, r#"{"\ud800":3,"\udc00":2}"#),
        (r#"{"__proto__":1}"#, r#"{"__proto__":1}"#),
    ] {
        assert_eq!(compact(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "'a'",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "1 2",
        "\u{feff}{}",
        "\u{a0}1",
        "[1}",
        "tru",
        "\"a\" \"b\"",
    ] {
        assert!(
            matches!(compact(text), Err(NotJson::Syntax(at)) if at <= text.len()),
            "{text:?} {:?}",
            compact(text)
        );
    }
    assert_eq!(Json::read(b"\"\xff\""), Err(NotJson::Encoding));
    assert_eq!(
        compact("{\"a\":xyz}").unwrap_err().to_string(),
        "not JSON from byte 5 on"
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(compact(&nested(DEEPEST)), Ok(nested(DEEPEST)));
    assert_eq!(compact(&nested(DEEPEST + 1)), Err(NotJson::Depth));
    assert_eq!(compact(&"[".repeat(1 << 20)), Err(NotJson::Depth));
    assert_eq!(compact(&"{\"a\":".repeat(1 << 18)), Err(NotJson::Depth));
}

#[test]
fn text_can_be_read_in_every_encoding_it_is_needed_in() {
    let document = r#""a\u00e9\ud83d\ude00\ud800z""#;
    let Ok(Json::Text(text)) = Json::read(document.as_bytes()) else {
        panic!()
    };
    assert_eq!(text.utf8(), "aé😀\u{fffd}z".as_bytes());
    assert_eq!(*text.utf16(), [0x61, 0xe9, 0xd83d, 0xde00, 0xd800, 0x7a]);
    assert!(
        !text.is("aé😀\u{fffd}z"),
        "a lone surrogate is not the replacement character"
    );
    let Ok(Json::Text(text)) = Json::read(b"\"\xed\x9f\xbf\\u0061\"") else {
        panic!()
    };
    assert_eq!(
        text.utf8(),
        "\u{d7ff}a".as_bytes(),
        "the last character before the surrogates stays"
    );
}

#[test]
fn reader_and_serde_json_agree_on_what_is_json() {
    let mut random = fastrand::Rng::with_seed(9);
    let parts = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"\\n\"",
        "\"\\u00e9\"",
        "\"",
        "\\",
        "null",
        "true",
        "1",
        "-0",
        "1.5e3",
        "01",
        " ",
        "\n",
        "é",
        "\"a\":1",
        "[]",
        "{}",
        "\u{1}",
    ];
    let mut accepted = 0;
    for _ in 0..200_000 {
        let text: String = (0..random.usize(1..8))
            .map(|_| parts[random.usize(..parts.len())])
            .collect();
        let expected = serde_json::from_str::<serde_json::Value>(&text);
        if expected
            .as_ref()
            .is_err_and(|error| error.to_string().contains("out of range"))
        {
            continue;
        }
        let read = Json::read(text.as_bytes());
        assert_eq!(read.is_ok(), expected.is_ok(), "{text:?}");
        if let (Ok(written), Ok(expected)) = (compact(&text), expected) {
            accepted += 1;
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&written).unwrap(),
                expected,
                "{text:?}"
            );
        }
    }
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn what_is_written_is_read_as_the_same_and_is_never_longer() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..5_000 {
        let text = document(&mut random, 5);
        let once = compact(&text).unwrap();
        assert!(once.len() <= text.len(), "{text}");
        assert_eq!(compact(&once).as_ref(), Ok(&once));
    }
}

/// A random JSON document with odd names, odd texts and space.
pub(crate) fn document(random: &mut fastrand::Rng, depth: usize) -> String {
    let texts = [
        "",
        "a",
        "10",
        "2",
        "é",
        "\\ud800",
        "\\ud83d\\ude00",
        "\\u0000",
        "\\/",
        "a.b",
        "__proto__",
        "length",
        "=x",
    ];
    let text = |random: &mut fastrand::Rng| format!("\"{}\"", texts[random.usize(..texts.len())]);
    match random.usize(..if depth == 0 { 4 } else { 8 }) {
        0 => ["null", "true", "false"][random.usize(..3)].to_owned(),
        1 => ["0", "-0", "1.50", "12345678901234567890", "1e400", "-1E-7"][random.usize(..6)].to_owned(),
        2 | 3 => text(random),
        4 | 5 => {
            let items: Vec<_> = (0..random.usize(..4)).map(|_| document(random, depth - 1)).collect();
            format!("[ {} ]", items.join(" ,\n"))
        }
        _ => {
            let members: Vec<_> = (0..random.usize(..5))
                .map(|_| format!("{} :\t{}", text(random), document(random, depth - 1)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

#[test]
fn nothing_of_a_value_can_be_printed() {
    assert_eq!(format!("{:?}", Json::read(br#"{"a":["hunter2"]}"#)), "Ok(Json)");
}
