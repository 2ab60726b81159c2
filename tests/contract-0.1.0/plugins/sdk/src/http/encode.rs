//! Names in URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Error;

/// All but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Any text as one part of a path or query: everything but letters, digits and `-._~` is escaped.
///
/// A part of a path that is `.` or `..` still means a folder; [`encode_path`] refuses both.
///
/// ```
/// assert_eq!(keyhole_sdk::http::encode("a b/c"), "a%20b%2Fc");
/// ```
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A key as a path: its parts are escaped and the slashes between them stay.
///
/// ```
/// # use keyhole_sdk::http::encode_path;
/// assert_eq!(encode_path("team a/db").unwrap(), "team%20a/db");
/// assert!(encode_path("../admin").is_err());
/// ```
///
/// # Errors
/// `Invalid("/key")` for a part that is `.` or `..`. Servers take these for folders, escaped or not, so the
/// author of an ExternalSecret could walk out of the path that the administrator put before the key.
pub fn encode_path(key: &str) -> Result<String, Error> {
    let parts = key.split('/').map(|part| match part {
        "." | ".." => Err(Error::invalid(
            "/key",
            format!("{key:?} has a part {part:?}, which would lead out of its folder"),
        )),
        part => Ok(encode(part)),
    });
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join("/"))
}
