//! The plugin, as the host sees it, and the road of a call.

use keyhole_sdk::http::{self, RequestBuilder};
use keyhole_sdk::{Backend, Call, Description, Error, NoOptions, Outcome, Problem, Request, Selector};

use crate::answer;
use crate::settings::{self, Method, Settings};
use crate::template::{UrlTemplate, form_body, json_body};

/// One exchange for each; the host allows 64 in a call.
const MAX_BATCH: u32 = 50;

pub struct HttpStore;

impl Backend for HttpStore {
    type Settings = Settings;
    type Options = NoOptions;

    fn describe() -> Description {
        Description::new("http", env!("CARGO_PKG_VERSION"))
            .backend_type("http", &[])
            .header("authorization")
            .max_batch(MAX_BATCH)
            .metadata("title", "Any store that answers over HTTP")
    }

    fn validate(settings: &Settings) -> Vec<Problem> {
        settings::validate(settings)
    }

    fn fetch(settings: &Settings, _: &Call, requests: &[Request<NoOptions>]) -> Result<Vec<Outcome>, Error> {
        if let Some(problem) = settings::validate(settings).into_iter().next() {
            return Err(Error::invalid(format!("/settings{}", problem.path), problem.message));
        }
        let prepared: Vec<Result<(&str, RequestBuilder), Error>> =
            requests.iter().map(|request| prepare(settings, request)).collect();
        let mut keys = Vec::new();
        let mut builders = Vec::new();
        let mut refused = Vec::new();
        for prepared in prepared {
            match prepared {
                Ok((key, builder)) => {
                    keys.push(key);
                    builders.push(builder);
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let mut answers = keys.into_iter().zip(http::send_all(builders));
        let outcome = |(request, refused): (&Request<NoOptions>, Option<Error>)| match (
            refused,
            request.known_version.as_deref(),
        ) {
            (Some(error), _) => Outcome::Failed(error),
            (None, known) => match answers.next() {
                Some((key, answer)) => answer::outcome(settings, key, known, answer),
                None => Error::internal("a request to the store got no answer").into(),
            },
        };
        Ok(requests.iter().zip(refused).map(outcome).collect())
    }
}

fn prepare<'r>(settings: &Settings, request: &'r Request<NoOptions>) -> Result<(&'r str, RequestBuilder), Error> {
    let Selector::Key(key) = &request.selector else {
        return Err(Error::unsupported(
            "this backend has no paths; ask for entries by key and name",
        ));
    };
    if key.trim().is_empty() {
        return Err(Error::invalid("/key", "the key is empty; write the name of an entry"));
    }
    let template = UrlTemplate::new(&settings.url).map_err(|message| Error::invalid("/settings/url", message))?;
    let url = template.fill(key)?;
    let mut builder = match settings.method {
        Method::Get => http::get(url),
        Method::Post => http::post(url),
    };
    if settings.value.is_some() {
        builder = builder.header("accept", "application/json");
    }
    // Only with an ETag the store itself can say that nothing changed.
    if let (Some(known), None, Method::Get) = (&request.known_version, &settings.version, settings.method) {
        builder = builder.header("if-none-match", known.as_str());
    }
    if let Some(body) = &settings.body {
        let filled = if settings.is_form() {
            form_body(body, key)
        } else {
            let refused = || Error::invalid("/key", format!("{key:?} cannot be put into the body of the request"));
            builder = builder.header("content-type", "application/json");
            json_body(body, key).ok_or_else(refused)?
        };
        builder = builder.body(filled);
    }
    for (name, value) in &settings.headers {
        builder = builder.header(name, value.as_str());
    }
    Ok((key, builder))
}

keyhole_sdk::export!(HttpStore);

#[cfg(test)]
mod tests;
