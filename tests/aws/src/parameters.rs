//! The parameters of all regions with their versions and labels.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::AwsError;

/// Type of a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterType {
    /// Plain text.
    String,
    /// Comma-separated text.
    StringList,
    /// Text that only an answer `WithDecryption` shows.
    #[default]
    SecureString,
}

struct Version {
    number: u64,
    value: String,
    kind: ParameterType,
    modified: f64,
    labels: Vec<String>,
}

struct Parameter {
    /// The ARN for those of other accounts, as in AWS.
    name: String,
    versions: Vec<Version>,
}

/// Parameters by region and name.
pub struct Parameters {
    account: String,
    regions: BTreeMap<String, BTreeMap<String, Parameter>>,
}

impl Parameters {
    pub fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            regions: BTreeMap::new(),
        }
    }

    /// The ARN that a parameter of this name has or would have.
    pub fn arn(&self, region: &str, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        let partition = match region {
            china if china.starts_with("cn-") => "aws-cn",
            gov if gov.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        let name = name.strip_prefix('/').unwrap_or(name);
        format!("arn:{partition}:ssm:{region}:{}:parameter/{name}", self.account)
    }

    /// Creates the parameter, or gives it a new version; returns the version's number. A name that is an
    /// ARN makes a parameter that another account shares.
    pub fn set(&mut self, region: &str, name: &str, kind: ParameterType, value: &str) -> u64 {
        let parameters = self.regions.entry(region.to_owned()).or_default();
        let parameter = parameters.entry(name.to_owned()).or_insert_with(|| Parameter {
            name: name.to_owned(),
            versions: Vec::new(),
        });
        let number = parameter.versions.last().map_or(1, |last| last.number + 1);
        parameter.versions.push(Version {
            number,
            value: value.to_owned(),
            kind,
            modified: jiff::Timestamp::now().as_duration().as_secs_f64(),
            labels: Vec::new(),
        });
        number
    }

    /// Moves a label to this version.
    pub fn label(&mut self, region: &str, name: &str, number: u64, label: &str) -> Result<(), AwsError> {
        let parameters = self.regions.get_mut(region);
        let parameter = parameters.and_then(|parameters| parameters.get_mut(name));
        let parameter = parameter.ok_or_else(not_found)?;
        if !parameter.versions.iter().any(|version| version.number == number) {
            return Err(version_not_found(name, &number.to_string()));
        }
        for version in &mut parameter.versions {
            version.labels.retain(|own| own != label);
            if version.number == number {
                version.labels.push(label.to_owned());
            }
        }
        Ok(())
    }

    /// Deletes the parameter with all its versions.
    pub fn remove(&mut self, region: &str, name: &str) -> Result<(), AwsError> {
        let parameters = self.regions.get_mut(region);
        let removed = parameters.and_then(|parameters| parameters.remove(name));
        removed.map(drop).ok_or_else(not_found)
    }

    /// An entry of an answer: by name or ARN, each with a version or label behind a colon if one is wanted.
    pub fn get(&self, region: &str, id: &str, decrypted: bool) -> Result<Value, AwsError> {
        let (name, selector) = self.split(region, id);
        let parameter = self.regions.get(region).and_then(|parameters| parameters.get(name));
        let parameter = parameter.ok_or_else(not_found)?;
        let version = match selector {
            None => parameter.versions.last(),
            Some(selector) => parameter.versions.iter().find(|version| {
                version.number.to_string() == selector || version.labels.iter().any(|label| label == selector)
            }),
        };
        let version = version.ok_or_else(|| version_not_found(name, selector.unwrap_or_default()))?;
        let mut entry = self.entry(region, parameter, version, decrypted);
        if let (Some(selector), Some(entry)) = (selector, entry.as_object_mut()) {
            entry.insert("Selector".to_owned(), json!(format!(":{selector}")));
        }
        Ok(entry)
    }

    /// Current entries under a path, by name.
    pub fn under(&self, region: &str, path: &str, recursive: bool, decrypted: bool) -> Vec<Value> {
        let below = format!("{}/", path.trim_end_matches('/'));
        let parameters = self.regions.get(region).into_iter().flat_map(BTreeMap::values);
        let wanted = parameters.filter(|parameter| {
            let rest = parameter.name.strip_prefix(&below);
            rest.is_some_and(|rest| !rest.is_empty() && (recursive || !rest.contains('/')))
        });
        wanted
            .filter_map(|parameter| Some(self.entry(region, parameter, parameter.versions.last()?, decrypted)))
            .collect()
    }

    /// All names by which the parameter behind an id goes, for policies.
    pub fn names(&self, region: &str, id: &str) -> [String; 2] {
        let (name, _) = self.split(region, id);
        [name.to_owned(), self.arn(region, name)]
    }

    /// Name and selector of an id. Names of our own account are looked up without their ARN.
    fn split<'a>(&self, region: &str, id: &'a str) -> (&'a str, Option<&'a str>) {
        let after_account = match id.starts_with("arn:") {
            true => id.match_indices(':').nth(4).map_or(id.len(), |(place, _)| place + 1),
            false => 0,
        };
        let (rest, selector) = match id.get(after_account..).and_then(|name| name.find(':')) {
            Some(colon) => (
                id.get(..after_account + colon).unwrap_or(id),
                id.get(after_account + colon + 1..),
            ),
            None => (id, None),
        };
        let own = self.arn(region, "");
        match rest.strip_prefix(&own) {
            Some(_) if self.is_known(region, rest.get(own.len() - 1..).unwrap_or_default()) => {
                (rest.get(own.len() - 1..).unwrap_or_default(), selector)
            }
            Some(plain) => (plain, selector),
            None => (rest, selector),
        }
    }

    fn is_known(&self, region: &str, name: &str) -> bool {
        self.regions
            .get(region)
            .is_some_and(|parameters| parameters.contains_key(name))
    }

    fn entry(&self, region: &str, parameter: &Parameter, version: &Version, decrypted: bool) -> Value {
        let value = match version.kind {
            ParameterType::SecureString if !decrypted => "AQICAHifakeCiphertext==",
            _ => version.value.as_str(),
        };
        json!({
            "ARN": self.arn(region, &parameter.name),
            "DataType": "text",
            "LastModifiedDate": version.modified,
            "Name": parameter.name,
            "Type": version.kind,
            "Value": value,
            "Version": version.number,
        })
    }
}

/// AWS says nothing beside the code.
fn not_found() -> AwsError {
    AwsError::client("ParameterNotFound", "")
}

fn version_not_found(name: &str, selector: &str) -> AwsError {
    let message =
        format!("Systems Manager could not find version {selector} of {name}. Verify the version and try again.");
    AwsError::client("ParameterVersionNotFound", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGION: &str = "eu-west-1";

    fn value(parameters: &Parameters, id: &str) -> Result<String, String> {
        let found = parameters.get(REGION, id, true).map_err(|error| error.code)?;
        Ok(found["Value"].as_str().unwrap().to_owned())
    }

    #[test]
    fn versions_and_labels_choose() {
        let mut parameters = Parameters::new("123456789012");
        for text in ["one", "two", "three"] {
            parameters.set(REGION, "/a/b", ParameterType::String, text);
        }
        parameters.label(REGION, "/a/b", 1, "prod").unwrap();
        parameters.label(REGION, "/a/b", 2, "prod").unwrap();
        let arn = parameters.arn(REGION, "/a/b");
        for (id, wanted) in [
            ("/a/b", "three"),
            ("/a/b:1", "one"),
            ("/a/b:prod", "two"),
            (arn.as_str(), "three"),
            (&format!("{arn}:prod"), "two"),
        ] {
            assert_eq!(value(&parameters, id).unwrap(), wanted, "{id}");
        }
        for (id, code) in [
            ("/a/b:4", "ParameterVersionNotFound"),
            ("/a/b:test", "ParameterVersionNotFound"),
            ("/a", "ParameterNotFound"),
            ("a/b", "ParameterNotFound"),
        ] {
            assert_eq!(value(&parameters, id).unwrap_err(), code, "{id}");
        }
    }

    #[test]
    fn a_parameter_of_another_account_goes_by_its_arn_alone() {
        let mut parameters = Parameters::new("123456789012");
        let arn = "arn:aws:ssm:eu-west-1:999999999999:parameter/shared";
        parameters.set(REGION, arn, ParameterType::String, "theirs");
        assert_eq!(value(&parameters, arn).unwrap(), "theirs");
        assert!(value(&parameters, "/shared").is_err());
    }

    #[test]
    fn a_path_gives_children_or_all_below() {
        let mut parameters = Parameters::new("123456789012");
        for name in ["/a/x", "/a/b/y", "/ab/z", "/a"] {
            parameters.set(REGION, name, ParameterType::String, name);
        }
        let names = |path, recursive| {
            let found = parameters.under(REGION, path, recursive, true);
            found
                .iter()
                .map(|entry| entry["Name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(names("/a", false), ["/a/x"]);
        assert_eq!(names("/a/", true), ["/a/b/y", "/a/x"]);
        assert_eq!(names("/", false), ["/a"]);
        assert_eq!(names("/none", true), Vec::<String>::new());
    }
}
