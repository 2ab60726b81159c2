//! Credentials of plugins and identities of namespaces, on the real API server: where a value comes from, who gets
//! to see it, and what is said when it cannot be had. The store is a server of the case's own that remembers the
//! headers of each request; tokens are judged by the API server that made them.

mod accounts;
mod bench;
mod secrets;
mod web_identity;
