//! The three calls by way of the official SDK.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::{Builder, Config};
use aws_sdk_ssm::types::{self, ParameterType};
use keyhole_aws::sdk::{Deadline, fault};
use keyhole_aws::{Cause, Fault, Sdk};

use crate::api::{Api, Batch, Page, Parameter};
use crate::ask::Path;

/// What a page of GetParametersByPath holds at most, from its API reference.
const PAGE: i32 = 10;

/// Parameter Store in one region.
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
    async fn get(&self, name: &str) -> Result<Parameter, Fault> {
        let call = self.client.get_parameter().name(name).with_decryption(true);
        let answer = call.customize().config_override(self.time(1)?).send().await;
        let parameter = answer.map_err(fault)?.parameter;
        parameter
            .ok_or_else(|| Fault::of(Cause::NoValue))
            .and_then(parameter_of)
    }

    async fn batch(&self, names: &[&str]) -> Result<Batch, Fault> {
        let names = names.iter().map(ToString::to_string).collect();
        let call = self
            .client
            .get_parameters()
            .set_names(Some(names))
            .with_decryption(true);
        // Half of the time, so that what it leaves open can still be asked singly.
        let answer = call.customize().config_override(self.time(2)?).send().await;
        let answer = answer.map_err(fault)?;
        let found = answer.parameters.unwrap_or_default().into_iter();
        Ok(Batch {
            found: found
                .filter_map(|parameter| Some((parameter.name.clone()?, parameter_of(parameter))))
                .collect(),
            invalid: answer.invalid_parameters.unwrap_or_default(),
        })
    }

    async fn page(&self, path: &Path, token: Option<&str>) -> Result<Page, Fault> {
        let call = self
            .client
            .get_parameters_by_path()
            .path(&path.path)
            .recursive(path.recursive)
            .with_decryption(true)
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned));
        let answer = call.customize().config_override(self.time(1)?).send().await;
        let answer = answer.map_err(fault)?;
        let parameters = answer.parameters.unwrap_or_default().into_iter();
        Ok(Page {
            parameters: parameters.map(parameter_of).collect::<Result<_, _>>()?,
            next: answer.next_token.filter(|token| !token.is_empty()),
        })
    }
}

fn parameter_of(parameter: types::Parameter) -> Result<Parameter, Fault> {
    let version = version(&parameter);
    Ok(Parameter {
        text: parameter.value.ok_or_else(|| Fault::of(Cause::NoValue))?,
        name: parameter.name.unwrap_or_default(),
        is_list: parameter.r#type == Some(ParameterType::StringList),
        version,
    })
}

/// Numbers of versions start again at 1 when a parameter is deleted and made anew, so the number alone
/// could mean two values; the time at which the version was made tells them apart. What refers to
/// another service has versions that say nothing about the value.
fn version(parameter: &types::Parameter) -> Option<String> {
    if parameter.source_result.is_some() || parameter.version <= 0 {
        return None;
    }
    let made = parameter.last_modified_date?.to_millis().ok()?;
    Some(format!("{}@{made}", parameter.version))
}

#[cfg(test)]
mod tests;
