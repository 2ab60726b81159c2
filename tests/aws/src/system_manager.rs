//! The operations of Parameter Store (JSON 1.1).
//!
//! `GetParameters` answers in the reverse order of the request, so that a client which matches by
//! position fails at once. One name in it that may not be read denies all of it, as in AWS.

use serde_json::{Map, Value, json};

use crate::error::AwsError;
use crate::keyring::Principal;
use crate::parameters::Parameters;
use crate::policy::Deny;

/// The most names in one `GetParameters`, and the most entries on a page of a path.
const MOST: usize = 10;

/// One call: who asks where, and what stands in the way.
pub struct Call<'a> {
    pub principal: &'a Principal,
    pub region: &'a str,
    pub denials: &'a [Deny],
}

/// Runs an operation.
pub fn run(
    operation: &str,
    input: &Map<String, Value>,
    parameters: &Parameters,
    call: &Call<'_>,
) -> Result<Value, AwsError> {
    match operation {
        "GetParameter" => get(input, parameters, call),
        "GetParameters" => batch(input, parameters, call),
        "GetParametersByPath" => by_path(input, parameters, call),
        other => Err(AwsError::client(
            "UnknownOperationException",
            format!("no operation {other}"),
        )),
    }
}

/// The names or the path that a request names, as it wrote them.
pub fn ids(input: &Map<String, Value>) -> Vec<String> {
    let listed = input.get("Names").and_then(Value::as_array).into_iter().flatten();
    let single = input.get("Name").or_else(|| input.get("Path"));
    single
        .into_iter()
        .chain(listed)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn get(input: &Map<String, Value>, parameters: &Parameters, call: &Call<'_>) -> Result<Value, AwsError> {
    let [name] = &ids(input)[..] else {
        return Err(invalid("name", "Member must not be null"));
    };
    call.allow("GetParameter", name, parameters)?;
    let parameter = parameters.get(call.region, name, decrypts(input))?;
    Ok(json!({"Parameter": parameter}))
}

fn batch(input: &Map<String, Value>, parameters: &Parameters, call: &Call<'_>) -> Result<Value, AwsError> {
    let names = ids(input);
    if names.is_empty() || names.len() > MOST {
        return Err(invalid("names", "Member must have length less than or equal to 10"));
    }
    for name in &names {
        call.allow("GetParameters", name, parameters)?;
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names.iter().rev() {
        match parameters.get(call.region, name, decrypts(input)) {
            Ok(parameter) => found.push(parameter),
            Err(_) => missing.push(name),
        }
    }
    Ok(json!({"Parameters": found, "InvalidParameters": missing}))
}

fn by_path(input: &Map<String, Value>, parameters: &Parameters, call: &Call<'_>) -> Result<Value, AwsError> {
    let path = input.get("Path").and_then(Value::as_str).unwrap_or_default();
    call.allow("GetParametersByPath", path, parameters)?;
    if !path.starts_with('/') {
        return Err(AwsError::client(
            "ValidationException",
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".",
        ));
    }
    let size = match input.get("MaxResults") {
        None => MOST,
        Some(size) => {
            let size = size.as_u64().and_then(|size| usize::try_from(size).ok());
            size.filter(|size| (1..=MOST).contains(size))
                .ok_or_else(|| invalid("maxResults", "Member must have value less than or equal to 10"))?
        }
    };
    let start: usize = match input.get("NextToken").and_then(Value::as_str) {
        None => 0,
        Some(token) => token
            .strip_prefix("entry-")
            .and_then(|start| start.parse().ok())
            .ok_or_else(|| AwsError::client("InvalidNextToken", "The specified token isn't valid."))?,
    };
    let recursive = input.get("Recursive").and_then(Value::as_bool).unwrap_or(false);
    let found = parameters.under(call.region, path, recursive, decrypts(input));
    let page: Vec<&Value> = found.iter().skip(start).take(size).collect();
    let mut answer = json!({"Parameters": page});
    if let Some(answer) = answer.as_object_mut()
        && start + size < found.len()
    {
        answer.insert("NextToken".to_owned(), json!(format!("entry-{}", start + size)));
    }
    Ok(answer)
}

impl Call<'_> {
    /// Whether the caller may; IAM comes before existence, as in AWS.
    fn allow(&self, operation: &str, id: &str, parameters: &Parameters) -> Result<(), AwsError> {
        let action = format!("ssm:{operation}");
        let [name, arn] = parameters.names(self.region, id);
        let hit = self
            .denials
            .iter()
            .any(|deny| deny.hits(self.principal, &action, &[id, &name, &arn]));
        match hit {
            true => Err(AwsError::denied(true, &self.principal.arn, &action, Some(&arn))),
            false => Ok(()),
        }
    }
}

fn decrypts(input: &Map<String, Value>) -> bool {
    input.get("WithDecryption").and_then(Value::as_bool).unwrap_or(false)
}

fn invalid(member: &str, constraint: &str) -> AwsError {
    AwsError::client(
        "ValidationException",
        format!("1 validation error detected: Value at '{member}' failed to satisfy constraint: {constraint}"),
    )
}
