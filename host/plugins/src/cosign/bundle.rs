//! Sigstore's bundle, as `cosign sign` attaches it to an image and `cosign sign-blob --bundle` writes it to a
//! file (v0.3, with a public key).
//!
//! Around an image it is a DSSE envelope with an in-toto statement. The same key may have made other
//! statements about the same image ("these are its parts", "a scan found this"), so only the one that says
//! "signed" counts. Around a file it is a signature of the bytes themselves.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::cosign::{PublicKey, SignatureError, signer};
use crate::source::Digest;

/// What the media type of a bundle begins with; a version follows.
pub const BUNDLE_MEDIA_TYPE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// What cosign's envelopes hold.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The statement "signed".
const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    #[serde(flatten)]
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Content {
    MessageSignature(MessageSignature),
    DsseEnvelope(Envelope),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: Option<MessageDigest>,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    digest: SubjectDigest,
}

#[derive(Deserialize)]
struct SubjectDigest {
    sha256: Option<String>,
}

/// Checks a bundle that lies beside a file. Returns the fingerprint of the key that made it.
///
/// # Errors
///
/// When none of the keys signed this file.
pub fn verify_blob(blob: &[u8], bundle: &[u8], keys: &[PublicKey]) -> Result<String, SignatureError> {
    let Content::MessageSignature(content) = parse(bundle)?.content else {
        return Err(SignatureError::malformed(
            "it is an attestation; `cosign sign-blob` makes signatures of files",
        ));
    };
    let signature = decode(&content.signature, "signature")?;
    match signer(keys, blob, &signature) {
        Err(SignatureError::OtherKey(keys)) => {
            // Not part of what is trusted: it only tells which remedy is the right one.
            let said = content.message_digest.filter(|said| said.algorithm == "SHA2_256");
            let signed = said.and_then(|said| decode(&said.digest, "digest").ok());
            let signed = signed.map(|bytes| format!("sha256:{}", hex(&bytes)));
            match signed {
                Some(signed) if signed != Digest::of(blob).as_str() => Err(SignatureError::OtherDigest(signed)),
                _ => Err(SignatureError::OtherKey(keys)),
            }
        }
        checked => checked,
    }
}

/// Checks a bundle that refers to an image. Returns the fingerprint of the key that made it.
pub(super) fn verify_image(manifest: &Digest, bundle: &[u8], keys: &[PublicKey]) -> Result<String, SignatureError> {
    let Content::DsseEnvelope(envelope) = parse(bundle)?.content else {
        return Err(SignatureError::malformed(
            "it is a signature of a file, not of an image",
        ));
    };
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(SignatureError::malformed("its envelope holds no in-toto statement"));
    }
    let payload = decode(&envelope.payload, "payload")?;
    let [signature] = envelope.signatures.as_slice() else {
        return Err(SignatureError::malformed("its envelope has not exactly one signature"));
    };
    let signature = decode(&signature.sig, "signature")?;
    let signed_by = signer(keys, &pre_authentication(&envelope.payload_type, &payload), &signature)?;
    // Nothing of the payload is looked at before it is known whose it is.
    let statement: Statement = serde_json::from_slice(&payload).map_err(SignatureError::malformed)?;
    if statement.predicate_type != PREDICATE_TYPE {
        return Err(SignatureError::malformed(
            "its statement is another one than `cosign sign` makes",
        ));
    }
    let digests = || {
        let digests = statement
            .subject
            .iter()
            .filter_map(|subject| subject.digest.sha256.as_deref());
        digests.map(|hex| format!("sha256:{hex}"))
    };
    if digests().any(|digest| digest == manifest.as_str()) {
        return Ok(signed_by);
    }
    Err(SignatureError::OtherDigest(digests().collect::<Vec<_>>().join(", ")))
}

fn parse(bundle: &[u8]) -> Result<Bundle, SignatureError> {
    let bundle: Bundle = serde_json::from_slice(bundle)
        .map_err(|error| SignatureError::malformed(format!("it is no bundle of sigstore: {error}")))?;
    if !bundle.media_type.starts_with(BUNDLE_MEDIA_TYPE_PREFIX) {
        return Err(SignatureError::malformed("it is no bundle of sigstore"));
    }
    Ok(bundle)
}

fn decode(text: &str, what: &str) -> Result<Vec<u8>, SignatureError> {
    BASE64_STANDARD
        .decode(text)
        .map_err(|error| SignatureError::malformed(format!("its {what} is no base64: {error}")))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is signed of an envelope: DSSE's "PAE", which ties the type to the payload.
fn pre_authentication(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}
