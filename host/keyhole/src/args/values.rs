//! Flags about values that are not what an object says they are.

use clap::builder::BoolishValueParser;
use keyhole_core::Leniency;

/// Flags about values.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Values")]
pub struct ValueArgs {
    /// Pass over an entry whose value is not what the object says, as kubernetes-external-secrets did: `property` of what is no
    /// JSON, `dataFrom` of what is no object. The key goes missing, or the whole Secret is empty, with a warning in the log. Without
    /// it the object fails and its Secret stays as it is
    #[arg(long, env = "KEYHOLE_DROP_MALFORMED_VALUES", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub drop_malformed_values: bool,
    /// Of two values of one name under a `path`, keep the later one, as kubernetes-external-secrets did. Without it the object fails
    /// and names both
    #[arg(long, env = "KEYHOLE_LAST_OF_PATH_WINS", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub last_of_path_wins: bool,
}

impl From<ValueArgs> for Leniency {
    fn from(args: ValueArgs) -> Self {
        let ValueArgs {
            drop_malformed_values,
            last_of_path_wins,
        } = args;
        Self {
            drops_malformed: drop_malformed_values,
            last_of_path_wins,
        }
    }
}
