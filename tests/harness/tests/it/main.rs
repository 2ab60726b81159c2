//! The servers of the harness start, answer, and are gone afterwards.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod control_plane;
mod moto;
mod openbao;
