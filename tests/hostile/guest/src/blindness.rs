//! Looks everywhere for something that it should not see, and returns all that it found.

use std::io::Read;

use serde_json::json;
use wasip2::cli::{environment, terminal_stdout};
use wasip2::filesystem::preopens;
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

use crate::bindings::keyhole::backend::credentials;
use crate::bindings::keyhole::backend::session_store;
use crate::bindings::keyhole::backend::types::{Call, Content, NamedValue, Outcome, Request};
use crate::{Outcomes, to_all};

pub fn fetch(habit: &str, call: &Call, requests: &[Request]) -> Option<Outcomes> {
    if habit != "look-around" {
        return None;
    }
    let mut input = Vec::new();
    let read = std::io::stdin().take(1 << 10).read_to_end(&mut input);
    let network = instance_network::instance_network();
    let names = [
        "service-account-token",
        "aws",
        "AWS_SECRET_ACCESS_KEY",
        "token",
        "password",
        "default",
        "",
    ];
    let files = [
        "/",
        ".",
        "/etc/passwd",
        "/proc/self/environ",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ];
    let seen = json!({
        "environment": environment::get_environment(),
        "arguments": environment::get_arguments(),
        "directory": environment::initial_cwd(),
        "std-environment": std::env::vars().count(),
        "std-arguments": std::env::args().count(),
        "preopens": preopens::get_directories().len(),
        "files": files.iter().filter(|file| std::fs::metadata(file).is_ok()).collect::<Vec<_>>(),
        "stdin": (input.len(), read.is_ok()),
        "terminal": terminal_stdout::get_terminal_stdout().is_some(),
        "tcp": tcp(&network),
        "udp": udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).is_ok(),
        "name": ip_name_lookup::resolve_addresses(&network, "localhost").is_ok(),
        "std-tcp": std::net::TcpStream::connect("127.0.0.1:80").is_ok(),
        "credentials": names.iter().filter(|name| credentials::get(name).is_ok()).collect::<Vec<_>>(),
        "sessions": names.iter().filter(|name| session_store::get(name).is_some()).collect::<Vec<_>>(),
        "settings": call.settings,
        "context": call.context,
    });
    to_all(requests, &seen.to_string())
}

/// All of the guest's memory, with the token of its service account in it if it can be had.
pub fn memory() -> Outcome {
    let token = credentials::get("service-account-token").unwrap_or_default();
    let end = memory_bytes();
    // SAFETY: every byte below the size of the memory can be read; the address 0 is left out.
    let bytes: Vec<u8> = (1..end)
        .map(|at| unsafe { std::ptr::read_volatile(at as *const u8) })
        .collect();
    std::hint::black_box(&token);
    let part = |(number, bytes): (usize, &[u8])| NamedValue {
        name: number.to_string(),
        full_name: number.to_string(),
        content: Content::Bytes(bytes.to_vec()),
        version: None,
    };
    Outcome::Values(bytes.chunks(512 << 10).enumerate().map(part).collect())
}

#[cfg(target_arch = "wasm32")]
fn memory_bytes() -> usize {
    core::arch::wasm32::memory_size(0) * (64 << 10)
}

/// Lints look at the guest as a native crate, where it never runs.
#[cfg(not(target_arch = "wasm32"))]
fn memory_bytes() -> usize {
    0
}

/// Whether a connection can so much as be begun.
fn tcp(network: &instance_network::Network) -> bool {
    let Ok(socket) = tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4) else {
        return false;
    };
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: 80,
        address: (127, 0, 0, 1),
    });
    socket.start_connect(network, address).is_ok()
}
