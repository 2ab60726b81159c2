//! Error chains as one line. Only for errors of connections and configuration: an answer of AWS may quote
//! the request that it refuses, and with it a session token.

use std::error::Error;

/// Characters that tell enough.
const MOST: usize = 240;

/// What the error and its causes say, without repetitions.
pub(crate) fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    cut(&line)
}

/// One line of at most [`MOST`] characters.
pub(crate) fn cut(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST)
        .collect()
}
