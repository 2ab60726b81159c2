//! The tests of the whole: see `tests/it`. The host runs as a process against a real API server, under the
//! rights that `deploy/` gives it, and everything is judged from outside.
