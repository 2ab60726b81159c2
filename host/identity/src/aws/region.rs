//! The region that the operator is at, where no flag says it.

use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::region::ProfileFileRegionProvider;

/// The region of the active AWS profile. Reads files only; the metadata service is not asked, because
/// off AWS that takes seconds to fail.
pub async fn profile_region() -> Option<String> {
    ProfileFileRegionProvider::new()
        .region()
        .await
        .map(|region| region.to_string())
}
