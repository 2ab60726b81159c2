//! The controller: from a watched ExternalSecret to a written Secret and a status that says so.
//!
//! Data takes one road through this crate, and each stage is a module that can be read and tested
//! alone:
//!
//! ```text
//! watch ──► index ──► plan ──► planner ──► write ──► report
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`watch`] | streams of changes from the API server, reconnected for ever |
//! | [`index`] | what is known of every object and Secret, and what a change makes necessary; no I/O |
//! | [`plan`] | what an object asks for |
//! | `permission` | who judges the expressions of namespaces |
//! | [`planner`] | when which request is asked for, and together with which others |
//! | [`write`] | values become a Secret, which is written only when it differs |
//! | [`report`] | status, conditions and Kubernetes events |
//! | [`metrics`] | what is counted |
//! | [`roster`] | BackendPlugins become plugins that serve |
//! | [`controller`] | wiring, start and stop |
//! | [`render`] | the same road without a cluster |

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )
)]

pub mod api_error;
pub mod cluster;
pub mod controller;
mod desk;
pub mod index;
pub mod metrics;
mod permission;
pub mod plan;
pub mod planner;
mod preflight;
pub mod render;
pub mod report;
pub mod roster;
pub mod watch;
pub mod write;

pub use controller::{Config, Controller, ControllerError};
pub use metrics::{MetricDoc, ObjectMetrics, describe};
pub use roster::RosterConfig;
