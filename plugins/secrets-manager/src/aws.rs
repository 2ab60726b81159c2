//! The two calls by way of the official SDK.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{Builder, Config};
use aws_sdk_secretsmanager::primitives::Blob;
use keyhole_aws::sdk::{Deadline, fault};
use keyhole_aws::{Cause, Fault, Sdk};
use keyhole_sdk::Content;

use crate::api::{Api, Entry, Fetched, Page};
use crate::ask::{Ask, Version};

/// Secrets Manager in one region.
pub struct Aws {
    client: Client,
    deadline: Deadline,
}

impl Aws {
    /// Its client.
    pub fn new(sdk: &Sdk) -> Self {
        Self {
            client: Client::new(&sdk.config),
            deadline: sdk.deadline,
        }
    }

    /// Time that one call may take, given its share of what is left.
    fn time(&self, share: u32) -> Result<Builder, Fault> {
        Ok(Config::builder().timeout_config(self.deadline.timeouts(share)?))
    }
}

impl Api for Aws {
    async fn get(&self, ask: &Ask) -> Result<Fetched, Fault> {
        let call = self.client.get_secret_value().secret_id(&ask.secret);
        let call = match &ask.version {
            Version::Id(id) => call.version_id(id),
            Version::Stage(stage) => call.version_stage(stage),
        };
        let answer = call
            .customize()
            .config_override(self.time(1)?)
            .send()
            .await
            .map_err(fault)?;
        fetched(answer.secret_binary, answer.secret_string, answer.version_id)
    }

    async fn batch(&self, names: &[&str], page: Option<&str>) -> Result<Page, Fault> {
        let names = names.iter().map(ToString::to_string).collect();
        let call = self.client.batch_get_secret_value().set_secret_id_list(Some(names));
        let call = call.set_next_token(page.map(str::to_owned));
        // Half of the time, so that what it leaves open can still be asked singly.
        let answer = call
            .customize()
            .config_override(self.time(2)?)
            .send()
            .await
            .map_err(fault)?;
        let values = answer.secret_values.unwrap_or_default().into_iter().map(|value| Entry {
            names: value.name.into_iter().chain(value.arn).collect(),
            answer: fetched(value.secret_binary, value.secret_string, value.version_id),
        });
        let errors = answer.errors.unwrap_or_default().into_iter().map(|error| Entry {
            names: error.secret_id.into_iter().collect(),
            answer: Err(Fault::refused(error.error_code, error.message)),
        });
        Ok(Page {
            entries: values.chain(errors).collect(),
            next: answer.next_token,
        })
    }
}

/// As in KES, bytes are preferred over text. Neither is a fault, where KES writes the text `null`.
fn fetched(bytes: Option<Blob>, text: Option<String>, version_id: Option<String>) -> Result<Fetched, Fault> {
    let content = match (bytes, text) {
        (Some(bytes), _) => Content::Bytes(bytes.into_inner()),
        (None, Some(text)) => Content::Text(text),
        (None, None) => return Err(Fault::of(Cause::NoValue)),
    };
    Ok(Fetched { content, version_id })
}

#[cfg(test)]
mod tests;
