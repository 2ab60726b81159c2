//! Switches that are on as soon as their variable is there, whatever it says. KES asks
//! `'DISABLE_POLLING' in process.env`, so `DISABLE_POLLING=false` disables polling there, and here.

use std::convert::Infallible;
use std::str::FromStr;

/// A switch that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence(String);

impl Presence {
    /// The help heading's placeholder, by which such arguments are known again.
    pub const VALUE: &str = "ANY";

    /// Whether an argument is such a switch.
    pub fn is_kind_of(arg: &clap::Arg) -> bool {
        arg.get_value_names()
            .is_some_and(|names| names.iter().any(|name| name.as_str() == Self::VALUE))
    }

    /// Whether whoever wrote the value probably meant the opposite.
    pub fn looks_off(&self) -> bool {
        matches!(self.0.to_ascii_lowercase().as_str(), "false" | "0" | "no" | "off")
    }
}

impl FromStr for Presence {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}
