//! What an ExternalSecret and the administrator may set.

use keyhole_sdk::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

/// The stage that holds the value in use. Asked for when nothing else is.
pub const CURRENT: &str = "AWSCURRENT";

/// Settings of the backend `secretsManager`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// AWS region of the secrets, e.g. `eu-west-1`.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub region: String,
    /// Use the endpoints that are validated for FIPS 140.
    pub use_fips_endpoint: bool,
    /// Use the endpoints that are reachable over IPv6 too.
    pub use_dualstack_endpoint: bool,
}

/// Options of one secret. `versionId` wins over `versionStage`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Options {
    /// Staging label of the wanted version; `AWSCURRENT` when absent.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub version_stage: Option<String>,
    /// Id of the wanted version.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub version_id: Option<String>,
}

/// What is wrong in the settings, if anything.
pub fn validate(settings: &Settings) -> Vec<Problem> {
    region_problem(&settings.region)
        .map(|message| Problem::at("/region", message))
        .into_iter()
        .collect()
}

/// The region becomes a part of a host name, so it must be one DNS label.
pub fn region_problem(region: &str) -> Option<String> {
    if region.is_empty() {
        return Some("no region is set; set spec.region, or AWS_REGION for the operator".to_owned());
    }
    let well_formed = region.len() <= 63
        && region
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !region.starts_with('-')
        && !region.ends_with('-');
    (!well_formed).then(|| format!("{region:?} is no AWS region; write it like eu-west-1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_one_dns_label() {
        for region in ["eu-west-1", "us-gov-east-1", "cn-north-1", "local"] {
            assert_eq!(region_problem(region), None, "{region}");
        }
        for region in [
            "",
            "EU-WEST-1",
            "eu.west",
            "x/../y",
            "-a",
            "a-",
            "a b",
            "evil.example#",
            &"a".repeat(64),
        ] {
            let settings = Settings {
                region: region.to_owned(),
                ..Settings::default()
            };
            assert_eq!(validate(&settings)[0].path, "/region", "{region}");
        }
    }

    #[test]
    fn options_carry_the_names_of_the_manifest() {
        let options: Options = serde_json::from_str(r#"{"versionStage":"AWSPREVIOUS","versionId":"7"}"#).unwrap();
        assert_eq!(options.version_stage.as_deref(), Some("AWSPREVIOUS"));
        assert_eq!(options.version_id.as_deref(), Some("7"));
    }
}
