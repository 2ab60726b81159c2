//! Parameter Store: P1 to P5, and what KES's users were left alone with (colliding names, lists of pairs).

use keyhole_test_aws::{Deny, ParameterType};
use keyhole_test_harness::{Host, HostConfig, Moto};
use serde_json::{Value, json};

use crate::case::{Case, Data, PATIENCE, ready, unique};
use crate::world::{INTERVAL, REGION, case};

/// The name of a parameter of this case alone.
fn named(case: &Case, name: &str) -> String {
    format!("/{}/{name}", case.namespace)
}

/// Gives a parameter of this case a value that is searched for later on. Returns its name.
fn set(case: &Case, name: &str, value: &str) -> String {
    set_as(case, name, ParameterType::SecureString, value)
}

fn set_as(case: &Case, name: &str, kind: ParameterType, value: &str) -> String {
    case.world.values.lock().unwrap().push(value.as_bytes().to_vec());
    let name = named(case, name);
    case.world.aws.set_parameter_as(REGION, &name, kind, value);
    name
}

async fn create(case: &Case, name: &str, data: Value) {
    case.create_spec(name, json!({"backendType": "systemManager", "data": data}))
        .await;
}

#[test]
fn p1_a_parameter_becomes_a_key() {
    case(async |case| {
        let (first, second, plain) = (unique("first"), unique("second"), unique("plain"));
        let key = set(case, "password", &first);
        let other = set_as(case, "plain", ParameterType::String, &plain);
        let list = set_as(case, "list", ParameterType::StringList, "a,b");
        let data = json!([
            {"key": key, "name": "password"},
            {"key": other, "name": "plain"},
            {"key": list, "name": "list"},
            {"key": format!("{key}:1"), "name": "pinned"},
        ]);
        create(case, "app", data).await;
        let wanted = |password| {
            [
                ("list", "a,b"),
                ("password", password),
                ("pinned", &first),
                ("plain", &plain),
            ]
        };
        case.expect_data("app", &wanted(&first)).await;
        case.expect_success("app").await;
        set(case, "password", &second);
        case.expect_data("app", &wanted(&second)).await;
    });
}

#[test]
fn p2_a_path_becomes_a_key_for_each_name() {
    case(async |case| {
        let (one, two) = (unique("one"), unique("two"));
        set(case, "app/name1", &one);
        set(case, "app/name2", &two);
        set(case, "application/name3", &unique("another path"));
        create(case, "app", json!([{"path": named(case, "app")}])).await;
        case.expect_data("app", &[("name1", &one), ("name2", &two)]).await;
        // A name that comes later follows by itself, as does one that goes.
        let three = unique("three");
        set(case, "app/name3", &three);
        case.world.aws.remove_parameter(REGION, &named(case, "app/name1"));
        case.expect_data("app", &[("name2", &two), ("name3", &three)]).await;
    });
}

#[test]
fn p3_a_path_gives_its_children_or_all_leaves_and_all_pages() {
    case(async |case| {
        let mut wanted = Data::new();
        for number in 0..25 {
            let value = unique("page");
            set(case, &format!("app/p{number:02}"), &value);
            wanted.insert(format!("p{number:02}"), value.into_bytes());
        }
        let deep = unique("deep");
        set(case, "app/one/two/deep", &deep);
        create(case, "children", json!([{"path": named(case, "app")}])).await;
        case.expect_bytes("children", &wanted).await;
        wanted.insert("deep".to_owned(), deep.into_bytes());
        create(case, "leaves", json!([{"path": named(case, "app"), "recursive": true}])).await;
        case.expect_bytes("leaves", &wanted).await;
    });
}

#[test]
fn p4_an_absent_parameter_is_told_in_the_words_of_kes() {
    case(async |case| {
        let key = named(case, "nowhere");
        create(case, "app", json!([{"key": key, "name": "value"}])).await;
        let status = case.expect_error("app", "NotFound", &[&key]).await;
        assert_eq!(
            status["status"],
            format!("ERROR, ParameterNotFound: {key} could not be found.")
        );
        let condition = ready(&status)["message"].as_str().unwrap();
        assert_eq!(
            condition,
            format!("data[0]: ParameterNotFound: {key} could not be found; it was looked for in {REGION}")
        );
        assert_eq!(case.data("app").await, None);
        let value = unique("late");
        set(case, "nowhere", &value);
        case.expect_data("app", &[("value", &value)]).await;
    });
}

#[test]
fn p5_a_property_of_a_json_parameter_is_taken() {
    case(async |case| {
        let password = unique("password");
        let key = set(
            case,
            "db",
            &json!({"user": "app", "deep": {"password": password}}).to_string(),
        );
        let data = json!([
            {"key": key, "name": "user", "property": "user"},
            {"key": key, "name": "password", "property": "deep.password"},
        ]);
        create(case, "app", data).await;
        case.expect_data("app", &[("password", &password), ("user", "app")])
            .await;
    });
}

#[test]
fn p3_names_that_collide_are_both_told_until_whole_paths_are_wanted() {
    case(async |case| {
        let (outer, inner) = (unique("outer"), unique("inner"));
        let first = set(case, "app/name", &outer);
        let second = set(case, "app/db/name", &inner);
        let path = named(case, "app");
        create(case, "app", json!([{"path": path, "recursive": true}])).await;
        case.expect_error("app", "InvalidValue", &[&first, &second, "data[0]"])
            .await;
        assert_eq!(case.data("app").await, None);
        let data = json!([{"path": path, "recursive": true, "options": {"joinPathWith": "_"}}]);
        case.patch("app", json!({"spec": {"data": data}})).await;
        case.expect_data("app", &[("db_name", &inner), ("name", &outer)]).await;
    });
}

#[test]
fn p1_a_list_of_pairs_spreads_when_it_is_asked_for() {
    case(async |case| {
        let (host, password) = (unique("host"), unique("password"));
        let list = format!("host={host},password={password}");
        let key = set_as(case, "list", ParameterType::StringList, &list);
        let pairs = json!({"stringList": "pairs"});
        let spec = json!({
            "backendType": "systemManager",
            "dataFromWithOptions": [{"key": key, "options": pairs}],
            "data": [{"key": key, "name": "again", "property": "host", "options": pairs}],
        });
        case.create_spec("app", spec).await;
        case.expect_data("app", &[("again", &host), ("host", &host), ("password", &password)])
            .await;
        // The Secret stays as it is while the list is malformed, and what is wrong is told by its place.
        set_as(
            case,
            "list",
            ParameterType::StringList,
            &format!("host={host},{}", unique("torn")),
        );
        let status = case.expect_error("app", "InvalidValue", &["entry 2 has no ="]).await;
        assert!(!status.to_string().contains("torn"), "{status}");
        assert!(case.data("app").await.unwrap().contains_key("password"));

        case.create_spec(
            "wrong",
            json!({"backendType": "systemManager", "dataFromWithOptions": [{"key": key, "options": {"stringList": "tuples"}}]}),
        )
        .await;
        case.expect_error("wrong", "InvalidSpec", &["options.stringList"]).await;
    });
}

#[test]
fn p1_a_denied_parameter_or_path_is_told_with_its_permission() {
    case(async |case| {
        let key = set(case, "denied/value", &unique("denied"));
        let path = named(case, "denied");
        let aws = &case.world.aws;
        for action in ["ssm:GetParameter", "ssm:GetParameters"] {
            aws.deny(Deny::action(action).on(&key));
        }
        aws.deny(Deny::action("ssm:GetParametersByPath").on(&path));
        create(case, "key", json!([{"key": key, "name": "value"}])).await;
        create(case, "path", json!([{"path": path}])).await;
        case.expect_error("key", "AccessDenied", &[&key, "ssm:GetParameter"])
            .await;
        case.expect_error("path", "AccessDenied", &[&path, "ssm:GetParametersByPath"])
            .await;
        assert_eq!((case.data("key").await, case.data("path").await), (None, None));
    });
}

/// P1 to P4 against somebody else's reading of AWS.
#[test]
fn p1_p2_p3_p4_moto_agrees() {
    case(async |case| {
        let moto = Moto::start().await.unwrap();
        let instance = format!("parameters-{}", case.namespace);
        let config = HostConfig::new(&case.world.installed.kubeconfig)
            .aws_at(moto.endpoint(), &moto.credentials(), REGION)
            .interval(INTERVAL)
            .instance(&instance);
        let mut host = Host::start(config).await.unwrap();
        let store = moto.parameter_store();
        let put = async |name: &str, kind: &str, value: &str| {
            case.world.values.lock().unwrap().push(value.as_bytes().to_vec());
            store.put_parameter(REGION, name, kind, value).await.unwrap();
        };
        let spec = |data| json!({"backendType": "systemManager", "controllerId": instance, "data": data});

        let (first, second) = (unique("first"), unique("second"));
        put("/key/a", "SecureString", &first).await;
        put("/key/b", "String", &second).await;
        put("/key/list", "StringList", "x=1,y=2").await;
        let data = json!([
            {"key": "/key/a", "name": "a"},
            {"key": "/key/b", "name": "b"},
            {"key": "/key/list", "name": "list"},
            {"key": "/key/list", "name": "y", "property": "y", "options": {"stringList": "pairs"}},
        ]);
        case.create_spec("keys", spec(data)).await;
        let wanted = |a| [("a", a), ("b", second.as_str()), ("list", "x=1,y=2"), ("y", "2")];
        case.expect_data("keys", &wanted(&first)).await;
        let third = unique("third");
        put("/key/a", "SecureString", &third).await;
        case.expect_data("keys", &wanted(&third)).await;
        let data = json!([{"key": "/key/a:1", "name": "old"}, {"key": "/key/a", "name": "new"}]);
        case.create_spec("versions", spec(data)).await;
        case.expect_data("versions", &[("new", &third), ("old", &first)]).await;

        let mut wanted = Data::new();
        for number in 0..25 {
            let value = unique("page");
            put(&format!("/path/p{number:02}"), "SecureString", &value).await;
            wanted.insert(format!("p{number:02}"), value.into_bytes());
        }
        let deep = unique("deep");
        put("/path/one/deep", "String", &deep).await;
        case.create_spec("children", spec(json!([{"path": "/path/"}]))).await;
        case.expect_bytes("children", &wanted).await;
        wanted.insert("deep".to_owned(), deep.into_bytes());
        case.create_spec("leaves", spec(json!([{"path": "/path", "recursive": true}])))
            .await;
        case.expect_bytes("leaves", &wanted).await;

        for (name, data) in [
            ("missing", json!([{"key": "/nowhere", "name": "value"}])),
            (
                "missing-of-two",
                json!([{"key": "/key/a", "name": "a"}, {"key": "/nowhere", "name": "value"}]),
            ),
        ] {
            case.create_spec(name, spec(data)).await;
            let status = case.expect_error(name, "NotFound", &[]).await;
            assert_eq!(
                status["status"],
                "ERROR, ParameterNotFound: /nowhere could not be found."
            );
        }
        let status = host.sigterm_and_wait(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}");
        case.keep_log(host.log());
    });
}
