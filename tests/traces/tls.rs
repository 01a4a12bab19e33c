//! Collectors behind TLS: trusted ones, and one that is not.
//!
//! Invariant: the certificates are made for the test, so none of them can run out.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cue_simfarm::rqd::SimRqdSettings;
use cue_simfarm::waiting::{until, within};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

use crate::binary::{BUILT, command};
use crate::collector::Collector;
use crate::yard::Yard;

/// Somebody who issues certificates.
struct Authority {
    text: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as texts.
struct Issued {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            text: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let params = CertificateParams::new(names).unwrap();
        Issued {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A collector with a certificate of this authority. Clients need one too.
async fn collector(protocol: &str, authority: &Authority) -> Collector {
    let own = authority.issue();
    if protocol == "grpc" {
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(own.certificate, own.key))
            .client_ca_root(Certificate::from_pem(&authority.text));
        return Collector::grpc_tls(tls).await;
    }
    let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let mut trusted = RootCertStore::empty();
    let theirs = CertificateDer::from_pem_slice(authority.text.as_bytes()).unwrap();
    trusted.add(theirs).unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(trusted.into(), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Collector::http_tls(|tcp| Handshakes { tcp, acceptor }).await
}

/// A listener of connections whose handshake is done.
pub struct Handshakes {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Handshakes {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            // A client that does not trust this collector goes away again.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Variables that name the trusted authority: the setting, and the one of the system.
const BY_SETTING: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const BY_SYSTEM: &str = "SSL_CERT_FILE";

const NAMES: [&str; 3] = ["authority.pem", "own.pem", "own.key"];

/// Files that the settings name.
struct Files(TempDir);

impl Files {
    fn new(trusted: &Authority, own: &Issued) -> Self {
        let files = Self(TempDir::new().unwrap());
        let texts = [&trusted.text, &own.certificate, &own.key];
        for (name, text) in NAMES.iter().zip(texts) {
            std::fs::write(files.0.path().join(name), text).unwrap();
        }
        files
    }

    /// Settings for a collector of this protocol.
    fn settings(&self, protocol: &str, trusted: &'static str) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.0.path().join(name).to_str().unwrap().to_owned();
        vec![
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_owned()),
            (trusted, path(NAMES[0])),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path(NAMES[1])),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", path(NAMES[2])),
        ]
    }
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let pairs = settings.iter().map(|(name, value)| (*name, &**value));
    pairs.collect()
}

async fn yard() -> Yard {
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.farm.frames("shot", 1, |_| ()).await.unwrap();
    yard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_go_over_tls_to_a_collector_that_the_setting_or_the_system_trusts() {
    let authority = Authority::new("the farm");
    let files = Files::new(&authority, &authority.issue());
    for (protocol, trusted) in [
        ("grpc", BY_SETTING),
        ("grpc", BY_SYSTEM),
        ("http/protobuf", BY_SETTING),
        ("http/protobuf", BY_SYSTEM),
    ] {
        let collector = collector(protocol, &authority).await;
        let yard = yard().await;
        let settings = files.settings(protocol, trusted);
        let program = yard.schedule(&collector, &borrowed(&settings)).await;
        yard.launched(1).await;
        let trace = collector.trace("the trace of the booking", |_| true).await;
        trace.assert_sound();
        let log = yard.close(program).await;
        assert!(!log.contains("cannot be exported"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_nobody_trusts_gets_nothing_and_disturbs_no_booking() {
    let (authority, stranger) = (Authority::new("the farm"), Authority::new("a stranger"));
    let files = Files::new(&authority, &authority.issue());
    let collector = collector("grpc", &stranger).await;
    let yard = yard().await;
    let settings = files.settings("grpc", BY_SETTING);
    let program = yard.schedule(&collector, &borrowed(&settings)).await;
    yard.launched(1).await;
    let none = r#"scheduler_spans_exported_total{result="failed"} 0"#;
    let mut metrics = String::new();
    until("the failure to be counted", async || {
        metrics = program.get("/metrics").await.1;
        !metrics.contains(none)
    })
    .await;
    let exported = r#"scheduler_spans_exported_total{result="ok"} 0"#;
    assert!(metrics.contains(exported), "{metrics}");
    let booked = r#"scheduler_frames_dispatched_total{show_name="alpha"} 1"#;
    assert!(metrics.contains(booked), "{metrics}");
    let log = yard.close(program).await;
    let lines = log.lines();
    let mut failures = lines.filter(|line| line.contains("spans cannot be exported"));
    let failure = failures.next().unwrap_or_else(|| panic!("{log}"));
    assert!(failure.contains("UnknownIssuer"), "{failure}");
    assert_eq!(failures.count(), 0, "{log}");
    assert_eq!(collector.largest(), 0);
}

#[tokio::test]
async fn a_program_that_trusts_no_authority_does_not_start() {
    for (protocol, trusted, why) in [
        (
            "grpc",
            BY_SETTING,
            "OTEL_EXPORTER_OTLP_CERTIFICATE: /dev/null",
        ),
        ("grpc", BY_SYSTEM, "no native certs found"),
        (
            "http/protobuf",
            BY_SETTING,
            "OTEL_EXPORTER_OTLP_CERTIFICATE: /dev/null",
        ),
        ("http/protobuf", BY_SYSTEM, "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ] {
        let settings = [
            ("CUE_DATABASE_URL", "postgresql://127.0.0.1:1/none"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            (trusted, "/dev/null"),
        ];
        let ended = within(
            "the program to end",
            command(Path::new(BUILT), &["run"], &settings).output(),
        )
        .await;
        let ended = ended.unwrap();
        let fault = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{fault}");
        assert!(fault.contains(why), "{fault}");
    }
}
