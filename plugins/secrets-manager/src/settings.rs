//! What an ExternalSecret may set beside the settings that all AWS services have.

use schemars::JsonSchema;
use serde::Deserialize;

/// The stage that holds the value in use. Asked for when nothing else is.
pub const CURRENT: &str = "AWSCURRENT";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_carry_the_names_of_the_manifest() {
        let options: Options = serde_json::from_str(r#"{"versionStage":"AWSPREVIOUS","versionId":"7"}"#).unwrap();
        assert_eq!(options.version_stage.as_deref(), Some("AWSPREVIOUS"));
        assert_eq!(options.version_id.as_deref(), Some("7"));
    }
}
