//! What somebody who comes from kubernetes-external-secrets can observe, row by row.
//!
//! Names begin with the id of the row in `docs/reference/kes-compatibility.md`, which is made from them. Where
//! ours differs by decision, the name says what ours does. Rows that are about something else in the first
//! place (repair, ownership) are proven where that is tested.

mod crd;
mod legacy;
mod leniency;
mod merging;
mod metrics;
mod parameters;
mod permissions;
mod schedule;
mod secrets;
mod takeover;
mod values;
mod writing;
