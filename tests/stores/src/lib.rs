//! The plugins for stores that are not AWS, in the real sandbox against real servers. Everything is in
//! `tests/it`.
