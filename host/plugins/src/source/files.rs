//! Files of the host's file system, read whole and never beyond a limit.

use std::io;
use std::path::Path;

use tokio::io::AsyncReadExt as _;

use crate::source::SourceError;

/// A file of at most `most` bytes; `None` when there is none.
pub(super) async fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, SourceError> {
    let what = || format!("file {}", path.display());
    let unreadable = |error: &io::Error| SourceError::Unreadable {
        what: what(),
        why: error.kind().to_string(),
    };
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    let is_file = file.metadata().await.is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Err(SourceError::NotAPlugin {
            what: what(),
            why: "it is no regular file".to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let read = file.take(most + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > most {
        return Err(SourceError::TooLarge { what: what() });
    }
    Ok(Some(bytes))
}
