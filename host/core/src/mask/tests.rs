//! What is replaced in a text that a plugin said, and what is not.

use super::*;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

fn mask(values: &[&[u8]]) -> Mask {
    let mut mask = Mask::default();
    for value in values {
        mask.add(&SecretBytes::new(value.to_vec()));
    }
    mask
}

#[test]
fn a_value_is_replaced_wherever_it_stands() {
    let mask = mask(&[b"hunter2!"]);
    assert_eq!(mask.apply("hunter2!"), "***");
    assert_eq!(
        mask.apply("login with hunter2! and hunter2!, not hunter2?"),
        "login with *** and ***, not hunter2?"
    );
    assert_eq!(mask.apply("hunter2!hunter2!"), "***");
    assert_eq!(mask.apply(""), "");
    assert_eq!(Mask::default().apply("nothing to hide"), "nothing to hide");
}

#[test]
fn base64_in_both_alphabets_with_and_without_padding_is_replaced() {
    let value = [0xfb, 0xef, 0xbe, 0xff, 0x01, 0x02, 0x03];
    let mask = mask(&[&value]);
    for text in [
        STANDARD.encode(value),
        URL_SAFE.encode(value),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE_NO_PAD.encode(value),
    ] {
        let shown = mask.apply(&format!("got {text} back"));
        assert!(
            shown == "got *** back" || shown == "got ***= back" || shown == "got ***== back",
            "{shown}"
        );
    }
}

#[test]
fn json_escapes_are_replaced() {
    let value = "pa\"ss\nwörd 𝄞";
    let mask = mask(&[value.as_bytes()]);
    assert_eq!(
        mask.apply(&format!("{{\"p\":{}}}", serde_json::to_string(value).unwrap())),
        "{\"p\":\"***\"}"
    );
    assert_eq!(
        mask.apply("{\"p\": \"pa\\\"ss\\nw\\u00f6rd \\ud834\\udd1e\"}"),
        "{\"p\": \"***\"}"
    );
}

#[test]
fn members_of_json_values_are_replaced() {
    let mask = mask(&[br#"{"user":"administrator","pin":12345678901234567890,"nested":["{\"k\":\"inner-secret\"}", "tiny"],"on":true}"#]);
    assert_eq!(
        mask.apply("administrator used 12345678901234567890, then inner-secret; tiny true user"),
        "*** used ***, then ***; tiny true user"
    );
}

#[test]
fn each_line_of_a_value_is_replaced() {
    let key = "-----BEGIN KEY-----\r\nMIIEvQIBADAN\n  BgkqhkiG9w0B\nAQ==\n-----END KEY-----\n";
    let json = serde_json::json!({ "tls.key": key }).to_string();
    for value in [key, &json] {
        let mask = mask(&[value.as_bytes()]);
        assert_eq!(mask.apply("MIIEvQIBADAN"), "***", "{value}");
        assert_eq!(
            mask.apply("got   BgkqhkiG9w0B of -----BEGIN KEY-----"),
            "got   *** of ***"
        );
        assert_eq!(
            mask.apply("AQ== and other short ones stay"),
            "AQ== and other short ones stay"
        );
        assert_eq!(mask.apply(&format!("all: {}", key.trim_end())), "all: ***");
    }
}

#[test]
fn short_values_stay() {
    assert_eq!(mask(&[b"abcde", b""]).apply("abcde stays"), "abcde stays");
    assert_eq!(mask(&[b"abcdef"]).apply("abcdef goes"), "*** goes");
}

#[test]
fn overlapping_values_leave_nothing_of_either() {
    let mask = mask(&[b"abcdefgh", b"defghijk", b"abcdefghijklmnop", b"klmnopqrst"]);
    assert_eq!(mask.apply("<abcdefghijk>"), "<***>");
    assert_eq!(mask.apply("<abcdefghijklmnop>"), "<***>");
    assert_eq!(mask.apply("<abcdefghijklmnopqrst>"), "<***>");
}

#[test]
fn a_value_that_the_cut_goes_through_is_replaced() {
    let value = "s3cr3t-".repeat(2_000);
    let mask = mask(&[value.as_bytes()]);
    let shown = mask.apply(&format!("{}{value}", "x ".repeat(450)));
    assert_eq!(shown, format!("{}***", "x ".repeat(450)));
    // The text was cut before it came here.
    assert_eq!(mask.apply(&format!("value: {}", &value[..500])), "value: ***");
    assert_eq!(
        mask.apply(&format!("value: {}", &STANDARD.encode(&value)[..500])),
        "value: ***"
    );
    assert_eq!(
        mask.apply(&format!("value: {} and more", &value[..500])),
        format!("value: {} and more", &value[..500])
    );
}

#[test]
fn a_text_is_cut_after_it_was_searched() {
    let mask = mask(&["geheim-".repeat(300).as_bytes()]);
    let shown = mask.apply(&format!("{}{}", "geheim-".repeat(300), "é".repeat(2_000)));
    assert!(
        shown.starts_with("***é") && shown.len() <= LONGEST_TEXT,
        "{}",
        shown.len()
    );
    assert_eq!(cut("aé", 2), "a");
    assert_eq!(cut("aé", 3), "aé");
    assert_eq!(cut("aé", 99), "aé");
}

#[test]
fn a_binary_value_that_ends_inside_a_character_takes_the_character_along() {
    let mut value = b"binary".to_vec();
    value.push("é".as_bytes()[0]);
    assert_eq!(mask(&[&value]).apply("<binaryé>"), "<***>");
}

#[test]
fn too_many_values_hide_the_whole_text() {
    let mut mask = Mask::default();
    for number in 0..=MOST_VALUES {
        mask.add(&SecretBytes::from(format!("value-{number}")));
    }
    assert_eq!(mask.apply("harmless"), HIDDEN);
}

/// A mask of one value that is more than a mask may look at, and what that took.
fn swamped(value: Vec<u8>) -> (usize, usize) {
    let mut mask = Mask::default();
    mask.add(&SecretBytes::from("held before".to_owned()));
    mask.add(&SecretBytes::new(value));
    mask.add(&SecretBytes::from("hunter2!".to_owned()));
    for text in ["harmless", "held before", "hunter2!", "1", ""] {
        assert_eq!(mask.apply(text), HIDDEN, "{text}");
        assert_eq!(mask.apply_in_any_case(text), HIDDEN, "{text}");
    }
    assert!(mask.values.is_empty() && mask.heads.is_empty(), "nothing is held");
    (mask.parts, mask.copied)
}

const EIGHT_MIB: usize = 8 << 20;

#[test]
fn more_lines_than_it_looks_at_hide_the_whole_text() {
    assert_eq!(swamped(vec![b'\n'; EIGHT_MIB]), (MOST_PARTS, 0));
    // A value of its own and beside others: what counts is all of a call.
    let mut mask = Mask::default();
    let lines = SecretBytes::new(vec![b'\n'; MOST_PARTS / 2 - 10]);
    for _ in 0..2 {
        mask.add(&lines);
        assert_eq!(mask.apply("harmless"), "harmless");
    }
    mask.add(&lines);
    assert_eq!(mask.apply("harmless"), HIDDEN);
}

#[test]
fn more_members_than_it_looks_at_hide_the_whole_text_before_any_is_read() {
    let list = |open: &str, member: &str| {
        let mut text = open.to_owned();
        text.extend(std::iter::repeat_n(member, EIGHT_MIB / member.len()));
        text.into_bytes()
    };
    for value in [
        list("[", "1,"),
        list("  {\"a\":1", ",\"\":1"),
        list("[", "[],"),
        list("[\"\\\"\"", ",\"\\\"\""),
    ] {
        let (parts, copied) = swamped(value);
        // The two other values are no lists: each counts as one.
        assert!(parts <= 2 && copied == 0, "{parts} parts, {copied} bytes");
    }
    let inside = serde_json::json!({ "inner": String::from_utf8(list("[", "1,")).unwrap() }).to_string();
    let (parts, copied) = swamped(inside.into_bytes());
    assert!(parts <= 4 && copied <= EIGHT_MIB + 8, "{parts} parts, {copied} bytes");
}

#[test]
fn more_bytes_than_it_copies_hide_the_whole_text() {
    let member = "x".repeat(MOST_COPIED / 2);
    let (_, copied) = swamped(serde_json::json!([member, member, member]).to_string().into_bytes());
    assert_eq!(copied, 2 * member.len());
}

#[test]
fn commas_and_brackets_inside_a_text_are_no_members() {
    let prose = format!("a \\\" {} b", "so, [and] {so} on, ".repeat(20_000));
    let mask = mask(&[serde_json::json!({ "prose": prose, "pin": "hunter2!" })
        .to_string()
        .as_bytes()]);
    assert_eq!(mask.apply("hunter2! it is"), "*** it is");
    for (text, members) in [("", 1), ("1,2,3", 1), (" [1,2]", 3), (r#"{"a\",":["\"",{}]}"#, 5)] {
        assert_eq!(most_members(text.as_bytes()), members, "{text}");
    }
}

#[test]
fn a_value_is_replaced_in_any_case_where_that_is_asked_for() {
    let mask = mask(&["HunTer2-ÄÖ".as_bytes(), b"lower-case"]);
    assert_eq!(mask.apply_in_any_case("x.hunter2-ÄÖ.example"), "x.***.example");
    assert_eq!(mask.apply_in_any_case("x.LOWER-case.example"), "x.***.example");
    assert_eq!(
        mask.apply("LOWER-case stays, lower-case goes"),
        "LOWER-case stays, *** goes"
    );
    let encoded = STANDARD.encode("HunTer2-ÄÖ").to_ascii_lowercase();
    assert_eq!(mask.apply_in_any_case(&format!("{encoded}.example")), "***.example");
    assert_eq!(mask.apply_in_any_case("hunter3.example"), "hunter3.example");
}

#[test]
fn a_costly_search_hides_the_whole_text() {
    let mut mask = Mask::default();
    for number in 0..1_000 {
        mask.add(&SecretBytes::from(format!("{}{number}", "a".repeat(8_000))));
    }
    let started = std::time::Instant::now();
    assert_eq!(mask.apply(&"a".repeat(100_000)), HIDDEN);
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn nothing_but_a_count_can_be_printed() {
    assert_eq!(format!("{:?}", mask(&[b"hunter2!"])), "Mask(1 values)");
}

#[test]
fn whatever_the_value_no_form_of_it_stays() {
    let mut random = fastrand::Rng::with_seed(8);
    let letters: Vec<char> = "abcXYZ019 \"\\\n\t\u{1}é€𝄞{}[]:,=+/-_".chars().collect();
    for _ in 0..3_000 {
        let value: String = (0..random.usize(6..60))
            .map(|_| letters[random.usize(..letters.len())])
            .collect();
        let mask = mask(&[value.as_bytes()]);
        let (before, after) = ("<before>", "<after>");
        for form in Form::ALL {
            let Some(written) = form.write(value.as_bytes()) else {
                continue;
            };
            let written = String::from_utf8(written.into_owned()).unwrap();
            let shown = mask.apply(&format!("{before}{written}{after}"));
            assert_eq!(shown, format!("{before}***{after}"), "{value:?} as {written:?}");
        }
    }
}

#[test]
fn no_text_makes_it_panic() {
    let mut random = fastrand::Rng::with_seed(6);
    let letters: Vec<char> = "aaaaab\"\\é𝄞".chars().collect();
    for _ in 0..2_000 {
        let word = |random: &mut fastrand::Rng, longest: usize| -> String {
            (0..random.usize(..longest))
                .map(|_| letters[random.usize(..letters.len())])
                .collect()
        };
        let values: Vec<Vec<u8>> = (0..4)
            .map(|_| {
                let mut bytes = word(&mut random, 20).into_bytes();
                bytes.truncate(random.usize(..=bytes.len()));
                bytes
            })
            .collect();
        let mask = mask(&values.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let text = word(&mut random, 3_000);
        assert!(mask.apply(&text).len() <= LONGEST_TEXT);
    }
}
