//! The control plane's own authority, serving certificate and token signing key.

use std::fs;
use std::path::Path;

use k8s_openapi::ByteString;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

pub struct Certificates {
    authority_pem: String,
}

impl Certificates {
    /// Writes `tls.{crt,key}` and `service-account.{key,pub}` into `folder`.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "keyhole test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;
        fs::write(folder.join("tls.crt"), certificate.pem())?;
        fs::write(folder.join("tls.key"), key.serialize_pem())?;
        let tokens = KeyPair::generate()?;
        fs::write(folder.join("service-account.key"), tokens.serialize_pem())?;
        fs::write(folder.join("service-account.pub"), tokens.public_key_pem())?;
        Ok(Self {
            authority_pem: authority.pem(),
        })
    }

    /// The authority's certificate.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The authority's certificate as a kubeconfig holds it.
    pub fn authority(&self) -> ByteString {
        ByteString(self.authority_pem.clone().into_bytes())
    }
}
