//! Requests under a foreign name, and of foreign pages.

use super::*;

#[tokio::test]
async fn a_foreign_name_gets_nothing_but_probes_and_metrics() {
    let server = start(vec![]).await;
    let under = async |host: &str, path: &str| {
        let header = format!("host: {host}\r\n");
        send_bare(server.address, "GET", path, &header, "").await
    };
    for path in ["/", "/status", "/events", "/why/shot", "/nowhere"] {
        let answer = under("evil.example:9090", path).await;
        assert_eq!(answer.code, 421, "{path}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(
            error.contains("evil.example") && error.contains("CUE_ADMIN_HOSTS"),
            "{error}"
        );
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(
            under("scheduler.farm.svc:9090", path).await.code,
            200,
            "{path}"
        );
    }
    let by_address = server.address.to_string();
    for host in ["localhost", "farm.example", by_address.as_str()] {
        assert_eq!(under(host, "/status").await.code, 200, "{host}");
    }
    let twice = "host: localhost\r\nhost: evil.example\r\n";
    assert_eq!(
        send_bare(server.address, "GET", "/status", twice, "")
            .await
            .code,
        400
    );
}

#[tokio::test]
async fn a_foreign_page_neither_watches_nor_changes_anything() {
    let server = start(vec![]).await;
    for (method, path) in [
        ("GET", "/events"),
        ("PUT", "/log"),
        ("PUT", "/stages/dispatch"),
    ] {
        for origin in ["https://evil.example", "http://localhost:3000", "null"] {
            let header = format!("origin: {origin}\r\n");
            let answer = send(server.address, method, path, &header, "{}").await;
            assert_eq!(answer.code, 403, "{method} {path} {origin}");
            let error = answer.json()["error"].as_str().unwrap().to_owned();
            assert!(
                error.starts_with(&format!("a page of {origin} may not ask")),
                "{error}"
            );
        }
    }
    // Our own page learns what else is missing.
    let own = send(
        server.address,
        "PUT",
        "/log",
        "origin: http://localhost\r\n",
        "{}",
    )
    .await;
    assert!(
        own.json()["error"]
            .as_str()
            .unwrap()
            .starts_with("changes are switched off")
    );
}

#[tokio::test]
async fn names_are_checked_also_while_the_service_starts() {
    let server = starting().await;
    let foreign = "host: evil.example\r\n";
    let status = send_bare(server.address, "GET", "/status", foreign, "").await;
    assert_eq!(status.code, 421);
    let ready = send_bare(server.address, "GET", "/readyz", foreign, "").await;
    assert_eq!(ready.code, 503);
}
