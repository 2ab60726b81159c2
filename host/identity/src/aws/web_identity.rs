//! The operator's own web identity (IRSA): a token in a file, and a role for it.
//!
//! AWS's chain does the same, but asks AWS's own endpoint: `AWS_STS_ENDPOINT`, by which an operator in a network
//! without a way out reaches STS, would hold for the roles of objects and not for the operator itself. So where
//! that is set the exchange is made here. What comes before a web identity in the chain still does.

use std::path::PathBuf;

use aws_credential_types::Credentials;
use keyhole_core::{CallError, RoleArn, SecretBytes};

use super::sts::{SESSION_NAME, Sts};

/// Bytes of a token file. A token has about one KiB.
const LONGEST_TOKEN: u64 = 64 << 10;

/// Where the token is and which role it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebIdentity {
    file: PathBuf,
    role: String,
    session_name: String,
}

impl WebIdentity {
    /// As the variables say that EKS sets, unless others say something that comes first.
    pub(crate) fn from_env(env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        if ["AWS_ACCESS_KEY_ID", "AWS_PROFILE"]
            .iter()
            .any(|first| set(first).is_some())
        {
            return None;
        }
        Some(Self {
            file: set("AWS_WEB_IDENTITY_TOKEN_FILE")?.into(),
            role: set("AWS_ROLE_ARN")?,
            session_name: set("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| SESSION_NAME.to_owned()),
        })
    }

    /// A session of the role. The file is read each time: the kubelet renews it.
    pub(crate) async fn exchange(&self, sts: &Sts) -> Result<Credentials, CallError> {
        let role: RoleArn = self
            .role
            .parse()
            .map_err(|error| failed(format!("the operator's AWS_ROLE_ARN: {error}"), false))?;
        let token = self.token().await?;
        let answer = sts
            .assume_with_token(&token, &role, &self.session_name, "the operator's own web identity")
            .await;
        answer.map_err(|refused| refused.error)
    }

    async fn token(&self) -> Result<SecretBytes, CallError> {
        use tokio::io::AsyncReadExt as _;

        let read = async {
            let mut token = Vec::new();
            let file = tokio::fs::File::open(&self.file).await?;
            file.take(LONGEST_TOKEN).read_to_end(&mut token).await?;
            Ok::<_, std::io::Error>(SecretBytes::new(token.trim_ascii().to_vec()))
        };
        read.await.map_err(|error| {
            let file = self.file.display();
            failed(
                format!(
                    "the operator's token in {file}, which AWS_WEB_IDENTITY_TOKEN_FILE names, cannot be read: {error}"
                ),
                true,
            )
        })
    }
}

fn failed(message: String, transient: bool) -> CallError {
    CallError::Identity { message, transient }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<WebIdentity> {
        WebIdentity::from_env(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_comes_first_in_the_chain_still_does() {
        let both = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
            ("AWS_ROLE_ARN", "arn:aws:iam::1:role/a"),
        ];
        assert_eq!(of(&both).unwrap().session_name, SESSION_NAME);
        assert!(of(&both[..1]).is_none() && of(&both[1..]).is_none());
        for first in ["AWS_ACCESS_KEY_ID", "AWS_PROFILE"] {
            let [file, role] = both;
            assert!(of(&[file, role, (first, "x")]).is_none(), "{first}");
            assert!(of(&[file, role, (first, "")]).is_some(), "{first}");
        }
        let [file, role] = both;
        assert_eq!(
            of(&[file, role, ("AWS_ROLE_SESSION_NAME", "me")]).unwrap().session_name,
            "me"
        );
    }
}
