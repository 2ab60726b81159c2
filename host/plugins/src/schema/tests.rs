//! Hostile schemas and documents, and what is told about ordinary ones.

use super::walk::REFUSED;
use super::*;
use serde_json::json;

fn parse(schema: Json) -> Result<Schema, SchemaError> {
    Schema::new(schema.as_object().unwrap())
}

fn refused(schema: Json) -> String {
    parse(schema).expect_err("refused").to_string()
}

#[test]
fn scopes_come_from_the_top_level_only() {
    let schema = parse(json!({
        "properties": {
            "region": {"type": "string", "x-keyhole-scope": "object"},
            "address": {"type": "object", "properties": {"inner": {"x-keyhole-scope": "object"}}},
        },
        "allOf": [{"properties": {"stage": {"x-keyhole-scope": "object"}}}],
    }))
    .unwrap();
    assert_eq!(schema.scope("region"), Some(Scope::Object));
    assert_eq!(schema.scope("address"), Some(Scope::Administrator));
    assert_eq!(schema.scope("stage"), Some(Scope::Object));
    assert_eq!(schema.scope("inner"), None);
}

#[test]
fn a_property_opened_in_one_branch_only_stays_closed() {
    let open = json!({"properties": {"a": {"x-keyhole-scope": "object"}}});
    let closed = json!({"properties": {"a": {"type": "string"}}});
    for branches in [[open.clone(), closed.clone()], [closed, open]] {
        let schema = parse(json!({"anyOf": branches})).unwrap();
        assert_eq!(schema.scope("a"), Some(Scope::Administrator));
    }
}

#[test]
fn references_within_the_schema_work() {
    let schema = parse(json!({
        "properties": {"port": {"$ref": "#/$defs/port"}},
        "$defs": {"port": {"type": "integer", "maximum": 65535}},
    }))
    .unwrap();
    assert!(schema.violations(json!({"port": 80}).as_object().unwrap()).is_empty());
    let wrong = schema.violations(json!({"port": 70000}).as_object().unwrap());
    assert_eq!(wrong[0].path, "/port");
    assert!(
        wrong[0].message.contains("70000") && !wrong[0].masked.contains("70000"),
        "{wrong:?}"
    );
}

#[test]
fn remote_references_are_refused() {
    assert!(refused(json!({"$ref": "https://example.com/schema"})).contains("only local references"));
    assert!(refused(json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}})).contains("only local references"));
}

#[test]
fn cycles_are_refused() {
    assert!(refused(json!({"$ref": "#"})).contains("itself"));
    let cycle = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"});
    assert!(refused(cycle).contains("itself"));
    let recursive = json!({"properties": {"child": {"$ref": "#"}}});
    assert!(refused(recursive).contains("itself"));
}

/// Thirty definitions, each of them twice the next: a billion schemas behind `#/$defs/d0`.
fn doubling() -> Json {
    let mut definitions = Map::new();
    for level in 0..30 {
        let next = format!("#/$defs/d{}", level + 1);
        definitions.insert(format!("d{level}"), json!({"allOf": [{"$ref": next}, {"$ref": next}]}));
    }
    definitions.insert("d30".into(), json!({"type": "object"}));
    Json::Object(definitions)
}

#[test]
fn a_small_schema_that_describes_a_huge_one_is_refused() {
    assert!(refused(json!({"$ref": "#/$defs/d0", "$defs": doubling()})).contains("too large"));
}

#[test]
fn names_in_a_map_of_schemas_are_no_keywords() {
    let names = [
        "default",
        "const",
        "enum",
        "examples",
        "required",
        "$defs",
        "definitions",
        "properties",
        "$ref",
    ];
    for map in ["properties", "patternProperties", "dependentSchemas", "dependencies"] {
        for name in names {
            let schema = json!({map: {name: {"$ref": "#/$defs/d0"}}, "$defs": doubling()});
            assert!(refused(schema).contains("too large"), "{map} {name}");
        }
    }
    for map in ["$defs", "definitions"] {
        for name in names {
            let schema =
                json!({"$ref": format!("#/{map}/{name}"), map: {name: {"$ref": "#/x/d0"}}, "x": doubling_in("x")});
            assert!(refused(schema).contains("too large"), "{map} {name}");
        }
    }
}

fn doubling_in(place: &str) -> Json {
    let text = doubling().to_string().replace("#/$defs/", &format!("#/{place}/"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_reference_leads_the_compiler_where_it_led_the_walk() {
    let escaped = json!({"$ref": "#/$defs/d%30", "$defs": {"d%30": {"type": "object"}, "d0": {"type": "string"}}});
    assert!(refused(escaped).contains("without %"));
    // Behind an identifier, "#/$defs/x" is another one.
    let inner = json!({"$id": "urn:a", "$defs": {"x": doubling()}, "properties": {"b": {"$ref": "#/$defs/x"}}});
    let moved = json!({"$ref": "#/$defs/a/properties/b", "$defs": {"a": inner, "x": {"type": "object"}}});
    assert!(refused(moved).contains("$id"));
    let draft4 = json!({"$schema": "http://json-schema.org/draft-04/schema#", "id": "urn:a"});
    assert!(refused(json!({"properties": {"a": draft4.clone()}})).contains("$schema"));
    assert!(refused(draft4).contains("draft-04"));
    for draft in [
        "https://json-schema.org/draft/2020-12/schema",
        "http://json-schema.org/draft-07/schema#",
    ] {
        assert!(parse(json!({"$schema": draft, "type": "object"})).is_ok(), "{draft}");
    }
}

#[test]
fn values_that_a_schema_holds_are_counted_once_for_each_reference() {
    let many: Vec<_> = (0..5000).collect();
    let properties: Map<_, _> = (0..100)
        .map(|n| (format!("p{n}"), json!({"$ref": "#/$defs/e"})))
        .collect();
    assert!(parse(json!({"properties": {"a": {"enum": many}}})).is_ok());
    let schema = json!({"properties": properties, "$defs": {"e": {"enum": many}}});
    assert!(refused(schema).contains("values in const, enum"));
}

#[test]
fn keywords_that_move_references_are_refused() {
    for keyword in REFUSED {
        assert!(refused(json!({"properties": {"a": {keyword: "x"}}})).contains(keyword));
    }
}

#[test]
fn what_is_no_schema_is_refused() {
    assert!(matches!(parse(json!({"type": 5})), Err(SchemaError::Invalid(_))));
    let pattern = json!({"properties": {"a": {"pattern": "(a{1000}){1000}"}}});
    assert!(matches!(parse(pattern), Err(SchemaError::Invalid(_))));
}

#[test]
fn a_pattern_that_backtracks_elsewhere_takes_no_time() {
    let schema = parse(json!({"properties": {"a": {"pattern": "^(a+)+$"}}})).unwrap();
    let started = std::time::Instant::now();
    let text = format!("{}b", "a".repeat(20_000));
    assert_eq!(schema.violations(json!({"a": text}).as_object().unwrap()).len(), 1);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn a_thousand_patterns_are_refused() {
    let properties: Map<_, _> = (0..1000)
        .map(|n| (format!("p{n}"), json!({"pattern": r"\w{500}"})))
        .collect();
    assert!(refused(json!({"properties": properties})).contains("patterns"));
}

#[test]
fn a_huge_document_is_not_looked_at() {
    let schema = parse(json!({})).unwrap();
    let wrong = schema.violations(json!({"a": "x".repeat(MAX_DOCUMENT)}).as_object().unwrap());
    assert!(wrong[0].message.contains("more than"), "{wrong:?}");
}

fn violations(schema: &Schema, document: Json) -> Vec<Violation> {
    schema.violations(document.as_object().unwrap())
}

/// The time that `work` takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, std::time::Duration) {
    let started = std::time::Instant::now();
    let made = work();
    (made, started.elapsed())
}

#[test]
fn a_document_with_millions_of_errors_takes_no_memory_and_no_time() {
    let crowd = |count| json!({"allOf": vec![json!({"type": "object"}); count]});
    for items in [crowd(1000), json!({"anyOf": [crowd(400), crowd(400)]})] {
        let schema = json!({"properties": {"tags": {"x-keyhole-scope": "object", "items": items}}});
        let schema = parse(schema).unwrap();
        for count in [100, 1000, 30_000] {
            let (wrong, took) = timed(|| violations(&schema, json!({"tags": vec![0; count]})));
            assert_eq!(wrong.len(), 1, "{count}: {wrong:?}");
            assert_eq!(wrong[0].path, "");
            assert!(took.as_secs() < 2, "{count}: {took:?}");
        }
        // Few of them are told as always.
        let wrong = violations(&schema, json!({"tags": [{}, 0, {}]}));
        assert!(wrong.iter().any(|wrong| wrong.path == "/tags/1"), "{wrong:?}");
    }
}

#[test]
fn a_large_document_that_fits_an_ordinary_schema_is_fine() {
    let schema = parse(json!({"properties": {"tags": {"type": "array", "items": {"type": "integer", "minimum": 0}}}}));
    let schema = schema.unwrap();
    assert_eq!(violations(&schema, json!({"tags": vec![0; 30_000]})), []);
    let mut tags = vec![0; 30_000];
    tags[29_999] = -1;
    assert!(
        violations(&schema, json!({"tags": tags}))[0]
            .message
            .contains("what the plugin's schema asks for")
    );
    let mut tags = vec![0; 5_000];
    tags[4_999] = -1;
    assert_eq!(violations(&schema, json!({"tags": tags}))[0].path, "/tags/4999");
}

#[test]
fn unevaluated_properties_within_one_another_take_no_time() {
    let mut schema = json!({"type": "object"});
    for level in 0..15 {
        let own = format!("p{level}");
        schema = json!({"unevaluatedProperties": false, "properties": {own: true}, "allOf": [schema, {"minProperties": 1}], "if": {"required": ["x"]}, "then": {"properties": {"x": true}}});
    }
    let Ok(schema) = parse(schema) else { panic!("refused") };
    let document: Map<_, _> = (0..100).map(|n| (format!("p{n}"), json!(n))).collect();
    let (_, took) = timed(|| schema.violations(&document));
    assert!(took.as_secs() < 2, "{took:?}");
}

fn roles(schema: &Schema, given: Json) -> Vec<String> {
    schema.roles(given.as_object().unwrap()).collect()
}

const ROLE: &str = "x-keyhole-claim";

#[test]
fn a_mark_is_honoured_at_any_depth_and_behind_a_reference() {
    let marked = json!({"type": "string", ROLE: "role"});
    let schema = parse(json!({
        "properties": {
            "plain": {"type": "string"},
            "direct": marked,
            "referred": {"$ref": "#/$defs/role"},
            "auth": {"type": "object", "properties": {"role": {"$ref": "#/$defs/again"}, "mount": {"type": "string"}}},
            "list": {"items": {"properties": {"as": marked}}},
            "map": {"additionalProperties": marked, "properties": {"mount": {}}},
            "patterns": {"patternProperties": {"^role": marked}},
            "branch": {"oneOf": [{"type": "string"}, {"properties": {"as": marked}}]},
            "dependent": {"dependentSchemas": {"kind": {"properties": {"as": marked}}}},
        },
        "allOf": [{"properties": {"inBranch": marked}}],
        "$defs": {"role": marked, "again": {"$ref": "#/$defs/role"}},
    }))
    .unwrap();
    let of = |given: Json| roles(&schema, given);
    assert!(of(json!({"plain": "x", "unknown": "x", "auth": {"mount": "x", "more": 1}})).is_empty());
    for given in [
        json!({"direct": "r"}),
        json!({"referred": "r"}),
        json!({"auth": {"role": "r", "mount": "x"}}),
        json!({"list": [{"as": "r", "not": "x"}, {}]}),
        json!({"map": {"any": "r", "mount": "x"}}),
        json!({"patterns": {"role-a": "r"}}),
        json!({"branch": {"as": "r"}}),
        json!({"dependent": {"as": "r", "kind": "x"}}),
        json!({"inBranch": "r"}),
        json!({"roleArn": "x", "direct": "r"}),
    ] {
        assert_eq!(of(given.clone()), ["r"], "{given}");
    }
}

#[test]
fn every_text_below_a_mark_is_judged() {
    let schema = parse(json!({"properties": {
        "as": {ROLE: "role", "properties": {"name": {}}},
        "vaultRole": {},
    }}))
    .unwrap();
    // Not as one text: of that an expression could be content with a part.
    let given = json!({"as": {"name": "evil", "more": ["permitted", 7, "", null]}});
    assert_eq!(roles(&schema, given), ["more", "permitted", "7", "evil"]);
    assert_eq!(roles(&schema, json!({"vaultRole": ["a", {"b": "c"}]})), ["a", "b", "c"]);
}

#[test]
fn a_mark_that_would_not_be_honoured_is_refused() {
    let marked = json!({ROLE: "role"});
    for keyword in ["propertyNames", "contentSchema", "x-auth"] {
        assert!(refused(json!({"properties": {"a": {keyword: marked}}})).contains(keyword));
    }
    assert!(refused(json!({"properties": {"a": {ROLE: "Role"}}})).contains("only \"role\" is known"));
}

#[test]
fn a_crowd_of_marks_and_texts_takes_no_time() {
    let crowd = vec![json!({ROLE: "role"}); 500];
    let schema = parse(json!({"properties": {"a": {"items": {"allOf": crowd}}}})).unwrap();
    let ((), took) = timed(|| assert_eq!(roles(&schema, json!({"a": vec!["r"; 500_000]})).len(), 500_000));
    assert!(took.as_secs() < 2, "{took:?}");
}
