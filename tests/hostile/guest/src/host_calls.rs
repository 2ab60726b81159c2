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
