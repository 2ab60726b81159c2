//! What an ExternalSecret and the administrator may set.

use keyhole_sdk::Problem;
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a backend on an AWS service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// AWS region to ask, e.g. `eu-west-1`.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub region: String,
    /// Use the endpoints that are validated for FIPS 140.
    pub use_fips_endpoint: bool,
    /// Use the endpoints that are reachable over IPv6 too.
    pub use_dualstack_endpoint: bool,
}

/// What is wrong in the settings, if anything.
#[must_use]
pub fn validate(settings: &Settings) -> Vec<Problem> {
    region_problem(&settings.region)
        .map(|message| Problem::at("/region", message))
        .into_iter()
        .collect()
}

/// The region becomes a part of a host name, so it must be one DNS label.
pub(crate) fn region_problem(region: &str) -> Option<String> {
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
    fn settings_carry_the_names_of_the_manifest() {
        let settings: Settings = serde_json::from_str(r#"{"region":"eu-west-1","useFipsEndpoint":true}"#).unwrap();
        assert_eq!(
            (settings.region.as_str(), settings.use_fips_endpoint),
            ("eu-west-1", true)
        );
        assert!(!settings.use_dualstack_endpoint);
    }
}
