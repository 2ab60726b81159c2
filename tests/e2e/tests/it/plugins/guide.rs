//! The pages for people who write and install plugins, run as they stand.
//!
//! A page that was tried once goes on being copied after a flag was renamed. So the commands of "Write a backend"
//! are read from the page and run by one shell, in order, with the real kubectl, cosign, registry and API server,
//! and what the page shows of their output is compared with what they print. Manifests of the other pages are
//! admitted by the API server, and what they quote of refusals is what the host says.

mod manifests;
mod page;
mod refusals;
mod script;
mod write_a_backend;
