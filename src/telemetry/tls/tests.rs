//! Files that are what they should be, and those that are not.

use std::io::Write as _;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::NamedTempFile;

use super::super::tests::telemetry;
use super::*;
use crate::service::chain;

fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn refused(telemetry: &Telemetry) -> String {
    match Tls::read(telemetry) {
        Ok(_) => "it was taken".to_owned(),
        Err(error) => chain(&error),
    }
}

#[test]
fn what_is_in_the_files_is_taken() {
    let (first, second, own) = (certificate(), certificate(), certificate());
    let authorities = file(&format!("{}\n{}", first.cert.pem(), second.cert.pem()));
    let (own_certificate, own_key) = (
        file(&own.cert.pem()),
        file(&own.signing_key.serialize_pem()),
    );
    let telemetry = Telemetry {
        certificate: Some(authorities.path().to_owned()),
        client_certificate: Some(own_certificate.path().to_owned()),
        client_key: Some(own_key.path().to_owned()),
        ..telemetry()
    };
    let tls = Tls::read(&telemetry).unwrap();
    assert_eq!(tls.roots.len(), 2, "those of the file and no others");
    assert!(tls.introduction.is_some());
    assert!(tls.config.client_auth_cert_resolver.has_certs());
}

#[test]
fn a_file_that_is_missing_or_something_else_is_named() {
    let good = certificate();
    let other = file(&certificate().signing_key.serialize_pem());
    let (text, key) = (file("hello"), file(&good.signing_key.serialize_pem()));
    let broken = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let certificate = file(&good.cert.pem());
    let missing = Path::new("/no/such/file.pem");
    for (path, why) in [
        (missing, "cannot be read: No such file"),
        (text.path(), "is not a certificate in PEM: no items found"),
        (key.path(), "is not a certificate in PEM: no items found"),
        (broken.path(), "cannot be used: invalid peer certificate"),
    ] {
        let told = refused(&Telemetry {
            certificate: Some(path.to_owned()),
            ..telemetry()
        });
        assert!(told.contains(path.to_str().unwrap()), "{told}");
        assert!(told.contains(why), "{told}");
    }
    let own = |certificate: &Path, key: &Path| {
        let trusted = file(&good.cert.pem());
        refused(&Telemetry {
            certificate: Some(trusted.path().to_owned()),
            client_certificate: Some(certificate.to_owned()),
            client_key: Some(key.to_owned()),
            ..telemetry()
        })
    };
    for (certificate, key, named, why) in [
        (missing, key.path(), missing, "cannot be read"),
        (text.path(), key.path(), text.path(), "not a certificate"),
        (certificate.path(), missing, missing, "cannot be read"),
        (
            certificate.path(),
            text.path(),
            text.path(),
            "not a private key",
        ),
        (
            certificate.path(),
            other.path(),
            other.path(),
            "as the key of",
        ),
    ] {
        let told = own(certificate, key);
        assert!(told.contains(named.to_str().unwrap()), "{told}");
        assert!(told.contains(why), "{told}");
    }
    assert_eq!(own(certificate.path(), key.path()), "it was taken");
}
