//! `cargo xtask examples`: the examples that cargo does not build.

use keyhole_test_assets::Example;

use crate::progress::Progress;
use crate::tools::{self, Needs};

/// Builds what is not built yet and prints where it is.
pub fn run() -> anyhow::Result<()> {
    tools::check(Needs {
        examples: true,
        ..Needs::default()
    })?;
    if !are_built()? {
        Progress::start()
            .background("examples in JavaScript, Python and Go", build)
            .join()?;
    }
    for example in Example::ALL {
        println!("{}", example.ensure()?.display());
    }
    Ok(())
}

/// Whether all are there, as their sources are now.
pub fn are_built() -> anyhow::Result<bool> {
    for example in Example::ALL {
        if example.find()?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Builds what is not there.
pub fn build() -> anyhow::Result<()> {
    Example::ALL
        .into_iter()
        .try_for_each(|example| example.ensure().map(drop))
}
