//! Flags about what annotations of namespaces permit.

use clap::builder::BoolishValueParser;
use keyhole_core::permission::{NAMING_ANNOTATION, Policy, ROLE_ANNOTATION};

use super::Presence;

/// Flags about what annotations of namespaces permit.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Permissions")]
pub struct PermissionArgs {
    /// Annotation of a namespace whose regular expression the roles of its objects must match
    #[arg(long, env = "ROLE_PERMITTED_ANNOTATION", value_name = "NAME", default_value = ROLE_ANNOTATION)]
    pub role_permitted_annotation: String,
    /// Annotation of a namespace whose regular expression the keys and paths of its objects must match
    #[arg(long, env = "NAMING_PERMITTED_ANNOTATION", value_name = "NAME", default_value = NAMING_ANNOTATION)]
    pub naming_permitted_annotation: String,
    /// Permit nothing in a namespace without these annotations. On as soon as the variable is there,
    /// whatever it says
    #[arg(
        long,
        env = "ENFORCE_NAMESPACE_ANNOTATIONS",
        value_name = Presence::VALUE,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub enforce_namespace_annotations: Option<Presence>,
    /// Such an expression must match all of a key, path or role; otherwise a part is enough, as in
    /// kubernetes-external-secrets
    #[arg(long, env = "KEYHOLE_ANCHORED_PERMISSIONS", value_name = "BOOL", value_parser = BoolishValueParser::new(), default_value_t = false, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub anchored_permissions: bool,
}

impl PermissionArgs {
    /// As the controller takes them.
    pub fn policy(self) -> Policy {
        let Self {
            role_permitted_annotation,
            naming_permitted_annotation,
            enforce_namespace_annotations,
            anchored_permissions,
        } = self;
        Policy {
            naming_annotation: naming_permitted_annotation,
            role_annotation: role_permitted_annotation,
            enforced: enforce_namespace_annotations.is_some(),
            anchored: anchored_permissions,
        }
    }
}
