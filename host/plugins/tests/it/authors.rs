//! Plugins that other people wrote, in the real sandbox: the examples in four languages, and a plugin of each version
//! of the contract that was ever released.

mod contract;
mod languages;
mod released;
mod world;
