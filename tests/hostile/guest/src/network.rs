//! HTTP as no SDK would do it. `{"do": "http", "exchanges": [..]}` makes exchanges one after another, or
//! all at once with `"at-once": true`, and answers with a JSON list of what came back. When one of them
//! failed, the outcome is a failure of kind `"kind"`, unless `"ignore"` is set. `"tell"` logs the list in place
//! of answering with it; `{"do": "dump"}` answers with the guest's memory. `"returns"` (text) answers the first
//! request with that text and fails the others, `"keeps"` (text) leaves it as a session, and `"crash"` crashes
//! over a failure.
//!
//! An exchange: `method`, `scheme`, `authority`, `path`, `headers` (pairs), `body` (text) or `body-size`
//! (so many bytes), `drip-ms` (a byte at a time, so many milliseconds apart), `unread` (leave the answer's
//! body alone), `hoard` (and never let go of it), `patience-ms` (the guest's own time-outs), `times` (that often).

use std::time::Duration;

use serde_json::{Value as Json, json};
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

use crate::bindings::keyhole::backend::log::{Level, write as write_log};
use crate::bindings::keyhole::backend::types::{ErrorKind, Outcome, Request};
use crate::{Outcomes, failed, number, text, to_all};

pub fn fetch(habit: &str, settings: &Json, requests: &[Request]) -> Option<Outcomes> {
    if habit != "http" && habit != "dump" {
        return None;
    }
    if let Some(session) = settings["keeps"].as_str() {
        crate::sessions::keep(session);
    }
    let plan: Vec<&Json> = settings["exchanges"]
        .as_array()?
        .iter()
        .flat_map(|exchange| (0..number(exchange, "times", 1)).map(move |_| exchange))
        .collect();
    let results: Vec<Result<Json, String>> = if settings["at-once"] == true {
        let begun: Vec<_> = plan.iter().map(|exchange| Begun::new(exchange)).collect();
        begun.into_iter().map(|begun| begun?.end()).collect()
    } else {
        plan.iter().map(|exchange| Begun::new(exchange)?.end()).collect()
    };
    let failure = results.iter().find_map(|result| result.as_ref().err());
    if let (Some(failure), false) = (failure, settings["ignore"] == true) {
        let kind = match settings["kind"].as_str().unwrap_or_default() {
            "internal" => ErrorKind::Internal,
            "denied" => ErrorKind::Denied,
            "not-found" => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable(None),
        };
        if settings["crash"] == true {
            std::process::abort();
        }
        let failed = || failed(kind.clone(), failure);
        let Some(value) = settings["returns"].as_str() else {
            return Some(Err(failed()));
        };
        let outcomes = requests.iter().enumerate().map(|(position, _)| match position {
            0 => text(value.to_owned()),
            _ => Outcome::Failed(failed()),
        });
        return Some(Ok(outcomes.collect()));
    }
    if habit == "dump" {
        return Some(Ok(requests.iter().map(|_| crate::blindness::memory()).collect()));
    }
    let results: Vec<Json> = results
        .into_iter()
        .map(|result| result.unwrap_or_else(|error| json!({ "error": error })))
        .collect();
    let said = Json::from(results).to_string();
    if settings["tell"] == true {
        write_log(Level::Info, &said, &[]);
        return to_all(requests, "told");
    }
    to_all(requests, &said)
}

/// An exchange whose request is on its way.
struct Begun<'a> {
    plan: &'a Json,
    body: Option<OutgoingBody>,
    answer: FutureIncomingResponse,
}

impl<'a> Begun<'a> {
    fn new(plan: &'a Json) -> Result<Self, String> {
        let headers = Fields::new();
        for header in plan["headers"].as_array().into_iter().flatten() {
            let (name, value) = (
                header[0].as_str().unwrap_or_default(),
                header[1].as_str().unwrap_or_default(),
            );
            headers
                .append(name, value.as_bytes())
                .map_err(|error| format!("header {name}: {error}"))?;
        }
        let request = OutgoingRequest::new(headers);
        let has_body = plan["body"].is_string() || plan["body-size"].is_u64() || plan["drip-ms"].is_u64();
        let method = match plan["method"].as_str() {
            None if has_body => Method::Post,
            None | Some("GET") => Method::Get,
            Some("POST") => Method::Post,
            Some("CONNECT") => Method::Connect,
            Some(other) => Method::Other(other.to_owned()),
        };
        request.set_method(&method).map_err(|()| "method refused")?;
        let scheme = match plan["scheme"].as_str() {
            None | Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            Some(other) => Scheme::Other(other.to_owned()),
        };
        request.set_scheme(Some(&scheme)).map_err(|()| "scheme refused")?;
        request
            .set_authority(plan["authority"].as_str())
            .map_err(|()| "authority refused")?;
        request
            .set_path_with_query(plan["path"].as_str())
            .map_err(|()| "path refused")?;
        let body = if has_body {
            Some(request.body().map_err(|()| "body refused")?)
        } else {
            None
        };
        let options = plan["patience-ms"].as_u64().map(|patience| {
            let options = RequestOptions::new();
            let _ = options.set_first_byte_timeout(Some(patience * 1_000_000));
            let _ = options.set_between_bytes_timeout(Some(patience * 1_000_000));
            options
        });
        let answer = outgoing_handler::handle(request, options).map_err(|error| format!("handle: {error:?}"))?;
        Ok(Self { plan, body, answer })
    }

    fn end(self) -> Result<Json, String> {
        let Self { plan, body, answer } = self;
        // A refused request closes its body; the reason is in the answer.
        let written = body.map_or(Ok(()), |body| write(body, plan));
        answer.subscribe().block();
        let answer = answer
            .get()
            .ok_or("no answer")?
            .map_err(|()| "answer taken")?
            .map_err(|error| format!("{error:?}"))?;
        written?;
        let headers: Vec<_> = answer
            .headers()
            .entries()
            .into_iter()
            .map(|(name, value)| json!([name, String::from_utf8_lossy(&value)]))
            .collect();
        let body = if plan["unread"] == true {
            String::new()
        } else {
            read(&answer)?
        };
        let said = json!({ "status": answer.status(), "headers": headers, "body": body });
        if plan["hoard"] == true {
            std::mem::forget(answer);
        }
        Ok(said)
    }
}

fn write(body: OutgoingBody, plan: &Json) -> Result<(), String> {
    let stream = body.write().map_err(|()| "body taken")?;
    let put = |bytes: &[u8]| {
        stream
            .blocking_write_and_flush(bytes)
            .map_err(|error| format!("writing: {error:?}"))
    };
    let content = match plan["body-size"].as_u64() {
        Some(size) => vec![b'x'; usize::try_from(size).unwrap_or(usize::MAX)],
        None => plan["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    };
    if let Some(pause) = plan["drip-ms"].as_u64() {
        loop {
            put(b"x")?;
            std::thread::sleep(Duration::from_millis(pause));
        }
    }
    content.chunks(4096).try_for_each(put)?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| format!("finishing: {error:?}"))
}

/// The first KiB of the body, and how long it was when it was longer.
fn read(answer: &IncomingResponse) -> Result<String, String> {
    let body = answer.consume().map_err(|()| "answer's body taken")?;
    let stream = body.stream().map_err(|()| "answer's stream taken")?;
    let (mut start, mut length) = (Vec::new(), 0);
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(part) => {
                length += part.len();
                start.extend_from_slice(&part[..part.len().min((1 << 10) - start.len())]);
            }
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("reading: {error:?}")),
        }
    }
    let start = String::from_utf8_lossy(&start).into_owned();
    Ok(if length > start.len() {
        format!("{start}... {length} bytes")
    } else {
        start
    })
}
