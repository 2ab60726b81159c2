//! The operations of Secrets Manager (JSON 1.1).
//!
//! `BatchGetSecretValue` answers in the reverse order of the request and reports what it cannot give in
//! `Errors`, so that a client which matches by position fails at once. It needs its own permission beside
//! `GetSecretValue`, as in AWS.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::error::AwsError;
use crate::keyring::Principal;
use crate::policy::Deny;
use crate::secrets::{Content, Secrets};

/// The most ids in one `BatchGetSecretValue`.
const MAX_BATCH: usize = 20;

/// One call: who asks where, and what stands in the way.
pub struct Call<'a> {
    pub principal: &'a Principal,
    pub region: &'a str,
    pub denials: &'a [Deny],
    /// Errors for single secrets of a batch.
    pub broken: &'a [(String, AwsError)],
    /// Values on a page of a batch.
    pub page: usize,
}

/// Runs an operation.
pub fn run(
    operation: &str,
    input: &Map<String, Value>,
    secrets: &mut Secrets,
    call: &Call<'_>,
) -> Result<Value, AwsError> {
    match operation {
        "GetSecretValue" => get(input, secrets, call),
        "BatchGetSecretValue" => batch(input, secrets, call),
        "CreateSecret" => create(input, secrets, call),
        "PutSecretValue" | "UpdateSecret" => put(operation, input, secrets, call),
        "DeleteSecret" => delete(input, secrets, call),
        "DescribeSecret" => describe(input, secrets, call),
        other => Err(AwsError::client(
            "UnknownOperationException",
            format!("no operation {other}"),
        )),
    }
}

/// The ids that a request names, as it wrote them.
pub fn ids(input: &Map<String, Value>) -> Vec<String> {
    let listed = input
        .get("SecretIdList")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let single = input.get("SecretId").or_else(|| input.get("Name"));
    single
        .into_iter()
        .chain(listed)
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn get(input: &Map<String, Value>, secrets: &Secrets, call: &Call<'_>) -> Result<Value, AwsError> {
    let id = text(input, "SecretId")?;
    call.allow("GetSecretValue", id, secrets)?;
    let secret = secrets.find(call.region, id)?;
    let version = secret.version(optional(input, "VersionStage"), optional(input, "VersionId"))?;
    Ok(secret.value(version))
}

fn batch(input: &Map<String, Value>, secrets: &Secrets, call: &Call<'_>) -> Result<Value, AwsError> {
    if call
        .denials
        .iter()
        .any(|deny| deny.hits(call.principal, "secretsmanager:BatchGetSecretValue", &[]))
    {
        return Err(AwsError::denied(
            true,
            &call.principal.arn,
            "secretsmanager:BatchGetSecretValue",
            None,
        ));
    }
    let mut ids = ids(input);
    if ids.is_empty() {
        return Err(AwsError::client(
            "InvalidParameterException",
            "Either 'SecretIdList' or 'Filters' must be provided.",
        ));
    }
    if ids.len() > MAX_BATCH {
        return Err(AwsError::client(
            "ValidationException",
            format!(
                "1 validation error detected: Value at 'secretIdList' failed to satisfy constraint: Member must have length less than or equal to {MAX_BATCH}"
            ),
        ));
    }
    ids.reverse();
    let start = match optional(input, "NextToken") {
        None => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|start| start.parse().ok())
            .ok_or_else(|| AwsError::client("InvalidNextTokenException", "The NextToken value is invalid."))?,
    };
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for id in ids.iter().skip(start).take(call.page) {
        let one = Map::from_iter([("SecretId".to_owned(), Value::String(id.clone()))]);
        let broken = call.broken.iter().find(|(secret, _)| secret == id);
        match broken.map_or_else(|| get(&one, secrets, call), |(_, error)| Err(error.clone())) {
            Ok(value) => values.push(value),
            Err(error) => errors.push(json!({"SecretId": id, "ErrorCode": error.code, "Message": error.message})),
        }
    }
    let mut answer = json!({"SecretValues": values, "Errors": errors});
    let next = start + call.page;
    if next < ids.len()
        && let Some(object) = answer.as_object_mut()
    {
        object.insert("NextToken".to_owned(), Value::String(format!("page-{next}")));
    }
    Ok(answer)
}

fn create(input: &Map<String, Value>, secrets: &mut Secrets, call: &Call<'_>) -> Result<Value, AwsError> {
    let name = text(input, "Name")?;
    call.allow("CreateSecret", name, secrets)?;
    if secrets.find(call.region, name).is_ok() {
        let message = format!("The operation failed because the secret {name} already exists.");
        return Err(AwsError::client("ResourceExistsException", message));
    }
    let version = secrets.set(call.region, name, content(input)?);
    Ok(json!({"ARN": secrets.arn(call.region, name), "Name": name, "VersionId": version}))
}

fn put(operation: &str, input: &Map<String, Value>, secrets: &mut Secrets, call: &Call<'_>) -> Result<Value, AwsError> {
    let id = text(input, "SecretId")?;
    call.allow(operation, id, secrets)?;
    let stages: Vec<String> = match input.get("VersionStages").and_then(Value::as_array) {
        Some(stages) => stages.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => vec!["AWSCURRENT".to_owned()],
    };
    let token = optional(input, "ClientRequestToken");
    let version = secrets.put(call.region, id, content(input)?, &stages, token)?;
    let secret = secrets.find(call.region, id)?;
    Ok(json!({"ARN": secret.arn, "Name": secret.name, "VersionId": version, "VersionStages": stages}))
}

fn delete(input: &Map<String, Value>, secrets: &mut Secrets, call: &Call<'_>) -> Result<Value, AwsError> {
    let id = text(input, "SecretId")?;
    call.allow("DeleteSecret", id, secrets)?;
    let secret = secrets.find(call.region, id)?;
    let answer = json!({"ARN": secret.arn, "Name": secret.name, "DeletionDate": secret.created});
    match input.get("ForceDeleteWithoutRecovery").and_then(Value::as_bool) {
        Some(true) => secrets.remove(call.region, id)?,
        _ => secrets.schedule_deletion(call.region, id)?,
    }
    Ok(answer)
}

fn describe(input: &Map<String, Value>, secrets: &Secrets, call: &Call<'_>) -> Result<Value, AwsError> {
    let id = text(input, "SecretId")?;
    call.allow("DescribeSecret", id, secrets)?;
    let secret = secrets.find(call.region, id)?;
    let stages = secret.stages();
    Ok(json!({"ARN": secret.arn, "Name": secret.name, "CreatedDate": secret.created, "VersionIdsToStages": stages}))
}

impl Call<'_> {
    /// Whether the caller may; IAM comes before existence, as in AWS.
    fn allow(&self, operation: &str, id: &str, secrets: &Secrets) -> Result<(), AwsError> {
        let action = format!("secretsmanager:{operation}");
        let found = secrets.find(self.region, id).ok();
        let mut names = vec![id];
        names.extend(
            found
                .iter()
                .flat_map(|secret| [secret.name.as_str(), secret.arn.as_str()]),
        );
        match self
            .denials
            .iter()
            .any(|deny| deny.hits(self.principal, &action, &names))
        {
            true => Err(AwsError::denied(true, &self.principal.arn, &action, Some(id))),
            false => Ok(()),
        }
    }
}

fn content(input: &Map<String, Value>) -> Result<Content, AwsError> {
    if let Some(text) = optional(input, "SecretString") {
        return Ok(text.into());
    }
    let invalid = || {
        AwsError::client(
            "InvalidParameterException",
            "You must provide either SecretString or SecretBinary.",
        )
    };
    let encoded = optional(input, "SecretBinary").ok_or_else(invalid)?;
    STANDARD.decode(encoded).map(Content::Bytes).map_err(|_| invalid())
}

fn text<'a>(input: &'a Map<String, Value>, member: &str) -> Result<&'a str, AwsError> {
    optional(input, member)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| AwsError::client("InvalidParameterException", format!("You must provide {member}.")))
}

fn optional<'a>(input: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    input.get(member).and_then(Value::as_str)
}
