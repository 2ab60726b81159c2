//! Keys and signatures of `message` that OpenSSL made.

use super::*;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const P256: &str = include_str!("tests/p256.pub");

#[test]
fn each_kind_of_key_verifies_its_own_signature_and_no_other() {
    let pairs = [
        (P256, include_str!("tests/p256.sig")),
        (include_str!("tests/p384.pub"), include_str!("tests/p384.sig")),
        (include_str!("tests/rsa.pub"), include_str!("tests/rsa.sig")),
    ]
    .map(|(pem, signature)| {
        (
            pem.parse::<PublicKey>().unwrap(),
            BASE64_STANDARD.decode(signature).unwrap(),
        )
    });
    for (key, own) in &pairs {
        for (_, signature) in &pairs {
            assert_eq!(key.verifies(b"message", signature), signature == own, "{key:?}");
        }
        assert!(!key.verifies(b"massage", own));
        assert!(!key.verifies(b"message", b""));
    }
}

#[test]
fn a_fingerprint_is_what_openssl_and_sha256sum_say() {
    let key: PublicKey = P256.parse().unwrap();
    assert_eq!(key.fingerprint(), "df68877a911b3b86");
    let wrapped: PublicKey = format!("a comment\n{}\n", P256.trim_end()).parse().unwrap();
    assert_eq!(wrapped, key, "a key is what it is, not how it is written");
}

#[test]
fn what_is_no_public_key_of_a_kind_that_cosign_signs_images_with_is_refused() {
    let private = P256.replace("PUBLIC", "ENCRYPTED SIGSTORE PRIVATE");
    assert_eq!(private.parse::<PublicKey>(), Err(InvalidKey::Private));
    assert_eq!(format!("{P256}{P256}").parse::<PublicKey>(), Err(InvalidKey::Several));
    for pem in [
        include_str!("tests/ed25519.pub"),
        include_str!("tests/x25519.pub"),
        include_str!("tests/rsa1024.pub"),
    ] {
        assert_eq!(pem.parse::<PublicKey>(), Err(InvalidKey::Unsupported), "{pem}");
    }
    for text in [
        "",
        "cosign.pub",
        "-----BEGIN PUBLIC KEY-----",
        &P256.replace("PUBLIC KEY", "CERTIFICATE"),
    ] {
        assert!(matches!(text.parse::<PublicKey>(), Err(InvalidKey::Pem(_))), "{text}");
    }
    let cut = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n";
    assert_eq!(cut.parse::<PublicKey>(), Err(InvalidKey::Unsupported));
}
