//! Wearing out the host through the functions that it offers.

use serde_json::Value as Json;
use wasip2::clocks::monotonic_clock;
use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};
use wasip2::random::random::get_random_bytes;

use crate::bindings::keyhole::backend::types::Request;
use crate::{Outcomes, number, to_all};

pub fn fetch(habit: &str, settings: &Json, requests: &[Request]) -> Option<Outcomes> {
    let said = match habit {
        "busy-host" => loop {
            std::hint::black_box(get_random_bytes(4096));
        },
        "random" => get_random_bytes(number(settings, "bytes", 1 << 30)).len().to_string(),
        // Each timer is a handle; none is ever dropped.
        "handles" => loop {
            std::mem::forget(monotonic_clock::subscribe_duration(u64::MAX));
        },
        "fields" => {
            let mut kept = Vec::new();
            loop {
                let fields = Fields::new();
                let most = (0..20)
                    .take_while(|n| fields.append(&format!("h{n}"), &vec![b'x'; 1 << 10]).is_ok())
                    .count();
                kept.push((fields, most));
            }
        }
        "bodies" => bodies(number(settings, "requests", u64::MAX)).to_string(),
        "header-bomb" => {
            let fields = Fields::new();
            (0..100_000)
                .take_while(|n| fields.append(&format!("h{n}"), &vec![b'x'; 1 << 10]).is_ok())
                .count()
                .to_string()
        }
        "request-texts" => {
            let long = "x".repeat(usize::try_from(number(settings, "bytes", 1 << 20)).ok()?);
            let request = OutgoingRequest::new(Fields::new());
            let method = request.set_method(&Method::Other(long.clone())).is_err();
            let scheme = request.set_scheme(Some(&Scheme::Other(long.clone()))).is_err();
            let authority = request.set_authority(Some(&long)).is_err();
            let path = request.set_path_with_query(Some(&format!("/{long}"))).is_err();
            let usual = request.set_method(&Method::Post).is_ok()
                && request.set_scheme(Some(&Scheme::Https)).is_ok()
                && request.set_authority(Some("example.com:8443")).is_ok()
                && request.set_path_with_query(Some("/a?b=c")).is_ok();
            format!("refused {method} {scheme} {authority} {path}, usual {usual}")
        }
        _ => return None,
    };
    to_all(requests, &said)
}

/// Writes into the bodies of so many requests, none of which is ever sent, as much as is taken. Returns how
/// many bytes that is.
pub fn bodies(requests: u64) -> usize {
    let (mut kept, mut taken) = (Vec::new(), 0);
    for _ in 0..requests {
        let request = OutgoingRequest::new(Fields::new());
        if let Ok(body) = request.body()
            && let Ok(stream) = body.write()
        {
            while let Ok(room @ 1..) = stream.check_write() {
                let bytes = vec![b'x'; usize::try_from(room).unwrap_or_default()];
                taken += stream.write(&bytes).map_or(0, |()| bytes.len());
            }
        }
        kept.push(request);
    }
    taken
}
