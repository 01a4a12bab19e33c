//! TLS towards a collector: authorities and client certificate of the settings, or else the authorities of the system.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::Otlp;

/// TLS over gRPC.
pub(crate) fn grpc(otlp: Otlp<'_>) -> Result<ClientTlsConfig, ExporterBuildError> {
    let tls = ClientTlsConfig::new().timeout(otlp.timeout);
    let tls = match otlp.certificate {
        Some(path) => tls.ca_certificate(Certificate::from_pem(pem("CERTIFICATE", path)?)),
        None => tls.with_enabled_roots(),
    };
    let Some((certificate, key)) = own(otlp)? else {
        return Ok(tls);
    };
    Ok(tls.identity(Identity::from_pem(certificate, key)))
}

/// TLS over HTTP.
pub(crate) fn http(otlp: Otlp<'_>) -> Result<ClientConfig, ExporterBuildError> {
    let provider = Arc::new(ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid("ENDPOINT", error))?;
    let tls = match otlp.certificate {
        Some(path) => {
            let mut trusted = RootCertStore::empty();
            for authority in certificates("CERTIFICATE", &pem("CERTIFICATE", path)?)? {
                trusted
                    .add(authority)
                    .map_err(|error| invalid("CERTIFICATE", error))?;
            }
            tls.with_root_certificates(trusted)
        }
        None => tls
            .with_native_roots()
            .map_err(|error| invalid("ENDPOINT", error))?,
    };
    let Some((certificate, key)) = own(otlp)? else {
        return Ok(tls.with_no_client_auth());
    };
    let chain = certificates("CLIENT_CERTIFICATE", &certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
    let key = key.map_err(|error| invalid("CLIENT_KEY", error))?;
    tls.with_client_auth_cert(chain, key)
        .map_err(|error| invalid("CLIENT_CERTIFICATE", error))
}

/// Client certificate and key, as texts. The settings have both or none.
fn own(otlp: Otlp<'_>) -> Result<Option<(String, String)>, ExporterBuildError> {
    let Some((certificate, key)) = otlp.client_certificate.zip(otlp.client_key) else {
        return Ok(None);
    };
    let certificate = pem("CLIENT_CERTIFICATE", certificate)?;
    Ok(Some((certificate, pem("CLIENT_KEY", key)?)))
}

fn certificates(
    variable: &str,
    text: &str,
) -> Result<Vec<CertificateDer<'static>>, ExporterBuildError> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| invalid(variable, error))
}

/// Text of a file in PEM. A file of another kind would be taken for one that trusts nobody.
fn pem(variable: &str, path: &Path) -> Result<String, ExporterBuildError> {
    let fault = |fault: &dyn Display| invalid(variable, format!("{}: {fault}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| fault(&error))?;
    if text.contains("-----BEGIN ") {
        Ok(text)
    } else {
        Err(fault(&"not a file in PEM"))
    }
}

/// The fault of a variable of OTLP.
pub(crate) fn invalid(variable: &str, reason: impl Display) -> ExporterBuildError {
    let reason = format!("OTEL_EXPORTER_OTLP_{variable}: {reason}");
    ExporterBuildError::InvalidConfiguration(reason)
}
