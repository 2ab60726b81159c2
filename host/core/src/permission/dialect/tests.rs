//! Which JavaScript expressions mean the same to the `regex` crate, and which are left to JavaScript.

use super::*;

fn finds(expression: &str, text: &str) -> bool {
    compile(expression, false)
        .unwrap_or_else(|| panic!("{expression} is not accepted"))
        .is_match(text)
}

#[test]
fn what_people_write_is_accepted_and_means_the_same() {
    for (expression, text, found) in [
        ("", "", true),
        (".*", "", true),
        ("^.*$", "a", true),
        ("^.*$", "a\nb", false),
        ("^team-a/", "team-a/db", true),
        ("^team-a/", "other/team-a/db", false),
        ("team-a/", "other/team-a/db", true),
        ("db$", "team/db", true),
        ("db$", "team/db\n", false),
        ("^(dev|test)/[a-z0-9_-]+$", "dev/my_db-1", true),
        ("^(dev|test)/[a-z0-9_-]+$", "prod/my_db-1", false),
        (
            r"arn:aws:iam::\d{12}:role/(?:app|db)",
            "arn:aws:iam::123456789012:role/app",
            true,
        ),
        (
            r"arn:aws:iam::\d{12}:role/(?:app|db)",
            "arn:aws:iam::12345678901x:role/app",
            false,
        ),
        (r"^\d$", "\u{661}", false),
        (r"^\w+$", "a_B9", true),
        (r"^\w+$", "\u{e9}", false),
        (r"^\W\D$", "\u{e9}-", true),
        (r"a\.b\/c\-d", "a.b/c-d", true),
        (r"^a.b$", "a\u{2028}b", false),
        ("^a.b$", "a\u{e9}b", true),
        ("^[^a]$", "\n", true),
        ("^[[]$", "[", true),
        (r"^[\]\\-]+$", r"]\-", true),
        ("^[a-b-c]+$", "ab-c", true),
        ("^[--/]$", ".", true),
        ("^[a&&b]+$", "&a", true),
        ("[\"a\",\"b\"]", ",", true),
        ("a{2}", "xaax", true),
        ("^a{2,}$", "a", false),
        ("^a{2,3}?$", "aaa", true),
        ("^(|a)b$", "b", true),
        ("^(a?)*b$", "aab", true),
        ("(?:)", "x", true),
    ] {
        assert_eq!(finds(expression, text), found, "{expression:?} on {text:?}");
    }
}

#[test]
fn what_could_mean_something_else_is_left_to_javascript() {
    for expression in [
        // Of JavaScript alone.
        "(?=a)",
        "(?!a)",
        "(?<=a)b",
        "(?<!a)b",
        r"(a)\1",
        "[^]",
        "[]",
        "(?<n>a)",
        r"\cA",
        r"\u0061",
        r"\x61",
        r"\0",
        // With a meaning of its own there.
        r"\s",
        r"\S",
        r"\b",
        r"\B",
        r"[\b]",
        r"\n",
        r"\t",
        r"\p{L}",
        r"[\D]",
        r"[\d-x]",
        r"[a-\d]",
        r"\e",
        // Literal by leniency, or malformed.
        "a{",
        "a{,2}",
        "a{x}",
        "}",
        "]",
        "{1}",
        "(?i)a",
        "(?P<n>a)",
        "(",
        ")",
        "a)(b",
        "[a",
        "*",
        "+a",
        "a**",
        "a+++",
        "^*",
        "$+",
        "^{2}",
        "a{2}{3}",
        "a{3,2}",
        "[b-a]",
        "\\",
        // Too much of it.
        "a{1001}",
        "\u{e9}",
        "a\nb",
        "(a{1000}){1000}",
    ] {
        assert!(compile(expression, false).is_none(), "{expression:?}");
    }
    let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
    assert!(compile(&deep, false).is_none());
    assert!(compile(&"a".repeat(1025), false).is_none());
}

#[test]
fn anchored_expressions_match_whole_texts_in_all_their_alternatives() {
    let anchored = compile("a|bc", true).unwrap();
    for (text, found) in [
        ("a", true),
        ("bc", true),
        ("abc", false),
        ("a\n", false),
        ("xbc", false),
    ] {
        assert_eq!(anchored.is_match(text), found, "{text:?}");
    }
}

#[test]
fn texts_with_characters_of_two_code_units_are_left_to_javascript() {
    assert!(reads_alike("team/\u{e9}\u{ffff}"));
    assert!(!reads_alike("team/\u{1f600}"));
    assert!(!reads_alike(&"a".repeat(9 << 10)));
}
