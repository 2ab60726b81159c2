//! What somebody who comes from kubernetes-external-secrets can observe, row by row.
//!
//! Names begin with the id of the row in `docs/reference/kes-compatibility.md`.

mod parameters;
