//! What an ExternalSecret may set for one parameter or path.

use schemars::JsonSchema;
use serde::Deserialize;

/// Options of one parameter or path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Options {
    /// What to make of a StringList, asked for by `key`. `text`: its comma-separated text as it is stored.
    /// `pairs`: each entry is `name=value`, and the value becomes a JSON object of these, which `property`
    /// looks into and `dataFromWithOptions` spreads over keys of the Secret.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub string_list: StringList,
    /// How keys of the Secret are named beside `path`. Absent: by the last segment of a parameter's name,
    /// so that `/app/db/password` becomes `password`. Given: by all segments below the path, joined by
    /// this character, so that under `/app` it becomes `db.password`, `db-password` or `db_password`.
    #[schemars(extend("x-keyhole-scope" = "object"))]
    pub join_path_with: Option<Joint>,
}

/// What to make of a StringList. The cases have no descriptions of their own: these would make the schema
/// a choice of schemas in place of a list of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum StringList {
    #[default]
    Text,
    Pairs,
}

/// A character that may stand in a key of a Secret and is no letter or digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum Joint {
    #[serde(rename = ".")]
    Dot,
    #[serde(rename = "-")]
    Dash,
    #[serde(rename = "_")]
    Underscore,
}

impl Joint {
    /// The character.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dot => ".",
            Self::Dash => "-",
            Self::Underscore => "_",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_carry_the_names_of_the_manifest() {
        let options: Options = serde_json::from_str(r#"{"stringList":"pairs","joinPathWith":"_"}"#).unwrap();
        assert_eq!(options.string_list, StringList::Pairs);
        assert_eq!(options.join_path_with.map(Joint::as_str), Some("_"));
        assert_eq!(serde_json::from_str::<Options>("{}").unwrap(), Options::default());
    }
}
