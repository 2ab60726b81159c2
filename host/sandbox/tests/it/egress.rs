//! What leaves the sandbox, and what does not: real servers on loopback, and a guest that tries
//! everything. Each refusal is asserted as the exact typed error, the next call works, and nothing of
//! the instance is left.

mod addresses;
mod bodies;
mod connections;
mod crowd;
mod destinations;
mod headers;
mod proxy;
mod requests;
mod server;
mod setup;
mod signing;
mod tap;
