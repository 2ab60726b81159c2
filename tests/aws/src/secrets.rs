//! The secrets of all regions with their versions and staging labels.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::AwsError;

/// `SecretString` or `SecretBinary`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `SecretString`.
    Text(String),
    /// `SecretBinary`.
    Bytes(Vec<u8>),
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

#[derive(Clone)]
pub struct Version {
    pub id: String,
    content: Content,
    created: f64,
    stages: Vec<String>,
}

pub struct Secret {
    pub name: String,
    pub arn: String,
    pub created: f64,
    pub deleted: bool,
    pub versions: Vec<Version>,
}

/// Secrets by region and name.
pub struct Secrets {
    account: String,
    regions: BTreeMap<String, BTreeMap<String, Secret>>,
}

impl Secrets {
    pub fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            regions: BTreeMap::new(),
        }
    }

    /// The ARN that a secret of this name has or would have: with six characters that depend on the name alone.
    pub fn arn(&self, region: &str, name: &str) -> String {
        let digest = Sha256::digest(format!("{region}/{name}").as_bytes());
        let suffix: String = digest.iter().take(6).map(|byte| char::from(b'a' + byte % 26)).collect();
        let partition = match region {
            china if china.starts_with("cn-") => "aws-cn",
            gov if gov.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        format!(
            "arn:{partition}:secretsmanager:{region}:{}:secret:{name}-{suffix}",
            self.account
        )
    }

    /// Finds by name, full ARN, or ARN without its suffix.
    pub fn find(&self, region: &str, id: &str) -> Result<&Secret, AwsError> {
        let secrets = self.regions.get(region);
        let found = secrets.and_then(|secrets| match id.starts_with("arn:") {
            true => secrets
                .values()
                .find(|secret| secret.arn == id || secret.arn.get(..secret.arn.len() - 7) == Some(id)),
            false => secrets.get(id),
        });
        found.ok_or_else(|| {
            AwsError::client(
                "ResourceNotFoundException",
                "Secrets Manager can't find the specified secret.",
            )
        })
    }

    fn find_mut(&mut self, region: &str, id: &str) -> Result<&mut Secret, AwsError> {
        let name = self.find(region, id)?.name.clone();
        let secret = self.regions.get_mut(region).and_then(|secrets| secrets.get_mut(&name));
        secret.ok_or_else(|| AwsError::client("InternalServiceError", "the secret vanished"))
    }

    /// Creates the secret, or gives it a new version with `AWSCURRENT`; returns the version's id.
    pub fn set(&mut self, region: &str, name: &str, content: Content) -> String {
        self.set_version(region, name, content, None)
    }

    /// The same with a version id of the caller's choice.
    pub fn set_version(&mut self, region: &str, name: &str, content: Content, id: Option<&str>) -> String {
        let arn = self.arn(region, name);
        let secret = self
            .regions
            .entry(region.to_owned())
            .or_default()
            .entry(name.to_owned())
            .or_insert_with(|| Secret {
                name: name.to_owned(),
                arn,
                created: now(),
                deleted: false,
                versions: Vec::new(),
            });
        secret.deleted = false;
        secret.put(content, &["AWSCURRENT".to_owned()], id)
    }

    /// Adds a version with these labels to a secret that exists.
    pub fn put(
        &mut self,
        region: &str,
        id: &str,
        content: Content,
        stages: &[String],
        token: Option<&str>,
    ) -> Result<String, AwsError> {
        Ok(self.find_mut(region, id)?.put(content, stages, token))
    }

    /// Removes the secret without a recovery window.
    pub fn remove(&mut self, region: &str, id: &str) -> Result<(), AwsError> {
        let name = self.find(region, id)?.name.clone();
        self.regions.entry(region.to_owned()).or_default().remove(&name);
        Ok(())
    }

    /// Marks the secret for deletion: it exists, but has no value to give.
    pub fn schedule_deletion(&mut self, region: &str, id: &str) -> Result<(), AwsError> {
        self.find_mut(region, id)?.deleted = true;
        Ok(())
    }
}

impl Secret {
    fn put(&mut self, content: Content, stages: &[String], token: Option<&str>) -> String {
        let id = token.map_or_else(version_id, str::to_owned);
        if stages.iter().any(|stage| stage == "AWSCURRENT") {
            for version in &mut self.versions {
                version.stages.retain(|stage| stage != "AWSPREVIOUS");
                for stage in version.stages.iter_mut().filter(|stage| *stage == "AWSCURRENT") {
                    "AWSPREVIOUS".clone_into(stage);
                }
            }
        }
        for version in &mut self.versions {
            version.stages.retain(|stage| !stages.contains(stage));
        }
        self.versions
            .retain(|version| !version.stages.is_empty() && version.id != id);
        self.versions.push(Version {
            id: id.clone(),
            content,
            created: now(),
            stages: stages.to_vec(),
        });
        id
    }

    /// The version that a request means, by label and id.
    pub fn version(&self, stage: Option<&str>, id: Option<&str>) -> Result<&Version, AwsError> {
        if self.deleted {
            return Err(AwsError::client(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            ));
        }
        let not_found = |what: String| {
            let message = format!("Secrets Manager can't find the specified secret value for {what}");
            AwsError::client("ResourceNotFoundException", message)
        };
        match (stage, id) {
            (Some(stage), Some(id)) => {
                let version = self.versions.iter().find(|version| version.id == id);
                let version = version.ok_or_else(|| not_found(format!("VersionId: {id}")))?;
                if !version.stages.iter().any(|own| own == stage) {
                    return Err(AwsError::client(
                        "InvalidRequestException",
                        "You provided a VersionStage that is not associated to the provided VersionId.",
                    ));
                }
                Ok(version)
            }
            (None, Some(id)) => {
                let version = self.versions.iter().find(|version| version.id == id);
                version.ok_or_else(|| not_found(format!("VersionId: {id}")))
            }
            (stage, None) => {
                let stage = stage.unwrap_or("AWSCURRENT");
                let version = self
                    .versions
                    .iter()
                    .find(|version| version.stages.iter().any(|own| own == stage));
                version.ok_or_else(|| not_found(format!("staging label: {stage}")))
            }
        }
    }

    /// The answer of `GetSecretValue`, and an entry of `BatchGetSecretValue`.
    pub fn value(&self, version: &Version) -> Value {
        let mut answer = json!({
            "ARN": self.arn,
            "Name": self.name,
            "VersionId": version.id,
            "VersionStages": version.stages,
            "CreatedDate": version.created,
        });
        let (member, value) = match &version.content {
            Content::Text(text) => ("SecretString", text.clone()),
            Content::Bytes(bytes) => ("SecretBinary", STANDARD.encode(bytes)),
        };
        if let Some(object) = answer.as_object_mut() {
            object.insert(member.to_owned(), Value::String(value));
        }
        answer
    }

    /// Version ids with their labels, as `DescribeSecret` shows them.
    pub fn stages(&self) -> BTreeMap<&str, &[String]> {
        self.versions
            .iter()
            .map(|version| (version.id.as_str(), version.stages.as_slice()))
            .collect()
    }
}

fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

fn version_id() -> String {
    let bits = fastrand::u128(..);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-4{}-a{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_moves_the_labels() {
        let mut secrets = Secrets::new("123456789012");
        let first = secrets.set("eu-west-1", "db", "one".into());
        let second = secrets.set("eu-west-1", "db", "two".into());
        let secret = secrets.find("eu-west-1", "db").unwrap();
        assert_eq!(secret.version(None, None).unwrap().id, second);
        assert_eq!(secret.version(Some("AWSPREVIOUS"), None).unwrap().id, first);
        assert!(secret.version(Some("AWSCURRENT"), Some(&first)).is_err());
        secrets.set("eu-west-1", "db", "three".into());
        let secret = secrets.find("eu-west-1", "db").unwrap();
        assert!(
            secret.version(None, Some(&first)).is_err(),
            "a version without a label is gone"
        );
    }

    #[test]
    fn a_secret_is_found_by_name_and_arn_in_its_own_region() {
        let mut secrets = Secrets::new("123456789012");
        secrets.set("eu-west-1", "team/db", "one".into());
        let arn = secrets.arn("eu-west-1", "team/db");
        for id in ["team/db", arn.as_str(), &arn[..arn.len() - 7]] {
            assert_eq!(secrets.find("eu-west-1", id).unwrap().name, "team/db");
        }
        assert!(secrets.find("us-east-1", "team/db").is_err());
        assert!(secrets.find("eu-west-1", "team").is_err());
    }
}
