//! TLS towards a collector: who may vouch for it, and as whom this service introduces itself.
//!
//! Both protocols are given the same roots and the same certificate. Invariants: files are read once,
//! at the start, and one that is missing or is not what it should be ends it with the file's name;
//! all of TLS is rustls with ring, as it is for the database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_otlp::tonic_types::transport::{ClientTlsConfig, Identity as Introduction};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::Telemetry;

/// Why a collector cannot be reached over TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or may not be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is not {wanted} in PEM", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// A certificate in a file cannot be used.
    #[error("a certificate in {} cannot be used", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// The certificate and the key of this service do not go together.
    #[error("{} cannot be used as the key of {}", key.display(), certificate.display())]
    Identity {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong with them.
        #[source]
        source: rustls::Error,
    },
    /// The system names nobody who may vouch for a collector.
    #[error(
        "this system has no certificates of authorities, install them or set \
         OTEL_EXPORTER_OTLP_CERTIFICATE to a file of your own"
    )]
    NoRoots,
    /// rustls lacks what TLS needs.
    #[error("TLS cannot be set up")]
    Unsupported(#[source] rustls::Error),
}

/// What a connection needs, for either protocol.
pub(super) struct Tls {
    /// For HTTP.
    config: ClientConfig,
    /// For gRPC, whose library makes such a config itself.
    roots: RootCertStore,
    introduction: Option<Introduction>,
}

impl Tls {
    /// Reads the files that the settings name. Without one about the collector, whom the system trusts
    /// is trusted.
    pub(super) fn read(telemetry: &Telemetry) -> Result<Self, TlsError> {
        let roots = match &telemetry.certificate {
            Some(path) => roots_in(path)?,
            None => roots_of_system()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unsupported)?
            .with_root_certificates(roots.clone());
        // The settings have both or none.
        let own = telemetry.client_certificate.as_ref();
        let Some((certificate, key)) = own.zip(telemetry.client_key.as_ref()) else {
            return Ok(Self {
                config: builder.with_no_client_auth(),
                roots,
                introduction: None,
            });
        };
        let (certificate_text, key_text) = (text(certificate)?, text(key)?);
        let chain = certificates(certificate, &certificate_text)?;
        let secret = PrivateKeyDer::from_pem_slice(&key_text)
            .map_err(|source| not_pem(key, "a private key", source))?;
        let config = builder
            .with_client_auth_cert(chain, secret)
            .map_err(|source| TlsError::Identity {
                certificate: certificate.clone(),
                key: key.clone(),
                source,
            })?;
        Ok(Self {
            config,
            roots,
            introduction: Some(Introduction::from_pem(certificate_text, key_text)),
        })
    }

    /// For gRPC. The handshake may take so long: it is not part of any message whose time is limited.
    pub(super) fn for_grpc(self, limit: Duration) -> ClientTlsConfig {
        let config = ClientTlsConfig::new()
            .trust_anchors(self.roots.roots)
            .timeout(limit);
        match self.introduction {
            Some(introduction) => config.identity(introduction),
            None => config,
        }
    }

    pub(super) fn for_http(self) -> ClientConfig {
        self.config
    }
}

fn roots_in(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, &text(path)?)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Certificate {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

/// Some systems have certificates that nobody can read; what counts is that there are others.
fn roots_of_system() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (usable, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        return Err(TlsError::NoRoots);
    }
    Ok(roots)
}

/// All certificates of a file, of which there is at least one.
fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = found.map_err(|source| not_pem(path, "a certificate", source))?;
    if found.is_empty() {
        return Err(not_pem(path, "a certificate", pem::Error::NoItemsFound));
    }
    Ok(found)
}

fn text(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn not_pem(path: &Path, wanted: &'static str, source: pem::Error) -> TlsError {
    TlsError::NotPem {
        path: path.to_owned(),
        wanted,
        source,
    }
}

#[cfg(test)]
mod tests;
