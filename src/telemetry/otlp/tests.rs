//! Addresses of the collector, and settings that the exporter refuses.

use secrecy::SecretString;

use super::super::tests::telemetry;
use super::*;
use crate::config::Exporter;
use crate::output::chain;

/// Address of the collector of traces.
fn endpoint(telemetry: &Telemetry) -> Option<String> {
    Destination::of(telemetry).map(|destination| destination.endpoint)
}

#[test]
fn the_path_of_traces_is_appended_once() {
    let appended = |base: &str| {
        endpoint(&Telemetry {
            endpoint: Some(base.to_owned()),
            protocol: Protocol::Http,
            ..telemetry()
        })
        .unwrap()
    };
    for given in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
        assert_eq!(appended(given), "http://c:4318/v1/traces", "{given}");
    }
    assert_eq!(appended("http://c/otlp"), "http://c/otlp/v1/traces");
}

#[test]
fn an_address_for_traces_alone_wins_and_is_taken_as_it_is() {
    let with = |all: Option<&str>, traces: Option<&str>, protocol| {
        endpoint(&Telemetry {
            endpoint: all.map(str::to_owned),
            traces_endpoint: traces.map(str::to_owned),
            protocol,
            ..telemetry()
        })
    };
    let (all, traces) = (Some("http://a:4318"), Some("http://t:4318/in"));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(with(all, traces, Protocol::Http), some("http://t:4318/in"));
    assert_eq!(with(None, traces, Protocol::Grpc), some("http://t:4318/in"));
    let appended = "http://a:4318/v1/traces";
    assert_eq!(with(all, None, Protocol::Http), some(appended));
    assert_eq!(with(all, None, Protocol::Grpc), some("http://a:4318"));
    assert_eq!(with(None, None, Protocol::Grpc), None);
}

#[tokio::test]
async fn nothing_is_exported_without_an_endpoint_or_when_disabled() {
    let disabled = Telemetry {
        endpoint: Some("http://127.0.0.1:4317".to_owned()),
        disabled: true,
        ..telemetry()
    };
    let none = Telemetry {
        exporter: Exporter::None,
        disabled: false,
        ..disabled.clone()
    };
    for settings in [telemetry(), disabled, none] {
        assert!(exporter(&settings).unwrap().is_none());
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_refused_and_its_value_is_not_shown() {
    for (name, value) in [("two words", "fine"), ("fine", "hidden\nline")] {
        let telemetry = Telemetry {
            endpoint: Some("http://127.0.0.1:4317".to_owned()),
            headers: vec![(name.to_owned(), SecretString::from(value))],
            ..telemetry()
        };
        let fault = chain(&exporter(&telemetry).unwrap_err());
        assert!(fault.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{fault}");
        assert!(!fault.contains("hidden"), "{fault}");
    }
}

#[tokio::test]
async fn a_file_that_is_missing_or_not_in_pem_is_refused_with_its_variable() {
    let fault = |change: fn(&mut Telemetry)| {
        let mut telemetry = Telemetry {
            endpoint: Some("https://127.0.0.1:4317".to_owned()),
            ..telemetry()
        };
        change(&mut telemetry);
        chain(&exporter(&telemetry).unwrap_err())
    };
    let missing = fault(|telemetry| telemetry.certificate = Some("/nowhere/ca.pem".into()));
    let expected = "OTEL_EXPORTER_OTLP_CERTIFICATE: /nowhere/ca.pem: No such file";
    assert!(missing.contains(expected), "{missing}");
    let other = fault(|telemetry| {
        telemetry.client_certificate = Some("/dev/null".into());
        telemetry.client_key = Some("/dev/null".into());
    });
    let expected = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: /dev/null: not a file in PEM";
    assert!(other.contains(expected), "{other}");
}
