//! The real SDK against canned answers: what goes out, and what is made of what comes in.

use futures_executor::block_on;
use keyhole_aws::canned::{Canned, everywhere, region};
use serde_json::{Value as Json, json};

use super::*;
use crate::describe::describe;

fn aws(server: &Canned) -> Aws {
    Aws::new(&server.sdk(&region("eu-west-1")))
}

fn get(server: &Canned) -> Result<Parameter, Fault> {
    block_on(aws(server).get("/a:3"))
}

fn parameter(name: &str, kind: &str, value: &str) -> Json {
    json!({"Name": name, "Type": kind, "Value": value, "Version": 3, "LastModifiedDate": 1_700_000_000.25,
        "ARN": format!("arn:aws:ssm:eu-west-1:1:parameter{name}"), "DataType": "text"})
}

#[test]
fn a_single_parameter_is_asked_for_as_it_was_written_and_decrypted() {
    let server = Canned::new(200, json!({"Parameter": parameter("/a", "SecureString", "x")}));
    let found = get(&server).unwrap();
    let (url, action, body) = server.asked();
    assert_eq!(url, "https://ssm.eu-west-1.amazonaws.com/");
    assert_eq!(action, "AmazonSSM.GetParameter");
    assert_eq!(body, json!({"Name": "/a:3", "WithDecryption": true}));
    assert_eq!(
        (found.name.as_str(), found.text.as_str(), found.is_list),
        ("/a", "x", false)
    );
}

#[test]
fn a_batch_sends_names_and_reads_values_and_invalid_names() {
    let found = [parameter("/b", "StringList", "x,y"), parameter("/a", "String", "z")];
    let answer = json!({"Parameters": found, "InvalidParameters": ["/c"]});
    let server = Canned::new(200, answer);
    let batch = block_on(aws(&server).batch(&["/a", "/b", "/c"])).unwrap();
    let (_, action, body) = server.asked();
    assert_eq!(action, "AmazonSSM.GetParameters");
    assert_eq!(body, json!({"Names": ["/a", "/b", "/c"], "WithDecryption": true}));
    assert_eq!(batch.invalid, ["/c"]);
    let (name, list) = &batch.found[0];
    assert_eq!(name, "/b");
    assert!(list.as_ref().unwrap().is_list);
}

#[test]
fn a_page_sends_path_and_token_and_reads_the_next() {
    let path = Path {
        path: "/app".to_owned(),
        recursive: true,
    };
    let answer = json!({"Parameters": [parameter("/app/a", "String", "x")], "NextToken": "t2"});
    let server = Canned::new(200, answer);
    let page = block_on(aws(&server).page(&path, Some("t1"))).unwrap();
    let (_, action, body) = server.asked();
    assert_eq!(action, "AmazonSSM.GetParametersByPath");
    assert_eq!(
        body,
        json!({"Path": "/app", "Recursive": true, "WithDecryption": true, "MaxResults": 10, "NextToken": "t1"})
    );
    assert_eq!(
        (page.parameters[0].name.as_str(), page.next.as_deref()),
        ("/app/a", Some("t2"))
    );
    let last = Canned::new(200, json!({"Parameters": [], "NextToken": ""}));
    let page = block_on(aws(&last).page(&path, None)).unwrap();
    assert!(page.parameters.is_empty() && page.next.is_none());
    assert_eq!(last.asked().2.get("NextToken"), None);
}

#[test]
fn a_version_is_number_and_time_because_numbers_come_again() {
    let version = |change: &dyn Fn(&mut Json)| {
        let mut parameter = parameter("/a", "String", "x");
        change(&mut parameter);
        get(&Canned::new(200, json!({"Parameter": parameter}))).unwrap().version
    };
    assert_eq!(version(&|_| {}).as_deref(), Some("3@1700000000250"));
    let later = version(&|parameter| parameter["LastModifiedDate"] = json!(1_700_000_001.0));
    assert_eq!(later.as_deref(), Some("3@1700000001000"), "deleted and made anew");
    for unknown in ["LastModifiedDate", "Version"] {
        let version = version(&|parameter| drop(parameter.as_object_mut().unwrap().remove(unknown)));
        assert_eq!(version, None, "{unknown}");
    }
    assert_eq!(
        version(&|parameter| parameter["SourceResult"] = json!("{}")),
        None,
        "another service's"
    );
}

#[test]
fn a_parameter_without_a_value_is_a_fault() {
    let mut without = parameter("/a", "String", "x");
    without.as_object_mut().unwrap().remove("Value");
    let fault = Fault::of(Cause::NoValue);
    assert_eq!(
        get(&Canned::new(200, json!({"Parameter": without}))),
        Err(fault.clone())
    );
    assert_eq!(get(&Canned::new(200, "{}")), Err(fault));
}

#[test]
fn an_error_gives_code_and_message_and_is_met_once() {
    let server = Canned::new(400, json!({"__type": "ParameterNotFound"}));
    let fault = get(&server).unwrap_err();
    assert_eq!(
        (fault.code.as_deref(), fault.message),
        (Some("ParameterNotFound"), None)
    );
    assert_eq!(server.waiting(), 1);
    let server = Canned::new(500, json!({"__type": "InternalServerError", "message": "oops"}));
    let fault = get(&server).unwrap_err();
    assert_eq!(
        (fault.code.as_deref(), fault.message.as_deref()),
        (Some("InternalServerError"), Some("oops"))
    );
    assert_eq!(server.waiting(), 1, "the host retries");
}

#[test]
fn nothing_of_an_unreadable_answer_is_kept() {
    for status in [200, 400, 500] {
        let fault = get(&Canned::new(status, r#"{"Parameter": {"Value": "hunter2", 7 <html>"#)).unwrap_err();
        assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
    }
    let shown = format!(
        "{:?}",
        get(&Canned::new(
            200,
            json!({"Parameter": parameter("/a", "String", "hunter2")})
        ))
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_endpoints_of_all_partitions_are_among_the_wanted_hosts() {
    let wanted = format!("{:?}", describe());
    for settings in everywhere() {
        let server = Canned::new(200, json!({"Parameter": parameter("/a", "String", "x")}));
        block_on(Aws::new(&server.sdk(&settings)).get("/a")).unwrap();
        let url = server.asked().0;
        let host = url.strip_prefix("https://").unwrap().trim_end_matches('/');
        let pattern = host.replacen(&settings.region, "{region}", 1);
        assert!(wanted.contains(&format!("{pattern:?}")), "{host}");
    }
}
