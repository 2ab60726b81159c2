//! Settings and options as they are written on a command line.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value as Json};

/// `--settings`: a JSON object.
pub fn object(text: &str) -> anyhow::Result<Map<String, Json>> {
    match serde_json::from_str(text) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => bail!("--settings is no JSON object; write it like '{{\"address\": \"https://store.example.com\"}}'"),
        Err(error) => {
            bail!("--settings is no JSON: {error}; write it like '{{\"address\": \"https://store.example.com\"}}'")
        }
    }
}

/// `--option NAME=VALUE`, where a value that is JSON counts as such.
pub fn options(given: &[String]) -> anyhow::Result<Map<String, Json>> {
    let mut options = Map::new();
    for option in given {
        let (name, value) = option
            .split_once('=')
            .with_context(|| format!("--option {option:?} has no value; write it as NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value));
        options.insert(name.to_owned(), value);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn options_are_json_where_they_can_be_and_text_otherwise() {
        let given = ["version=2", "stage=AWSCURRENT", "id=\"2\"", "url=a=b"].map(str::to_owned);
        let expected = json!({"version": 2, "stage": "AWSCURRENT", "id": "2", "url": "a=b"});
        assert_eq!(Json::Object(options(&given).unwrap()), expected);
        assert!(
            options(&["version".to_owned()])
                .unwrap_err()
                .to_string()
                .contains("NAME=VALUE")
        );
    }

    #[test]
    fn settings_must_be_an_object() {
        for text in ["[]", "{", "address"] {
            assert!(object(text).unwrap_err().to_string().contains("write it like"));
        }
    }
}
