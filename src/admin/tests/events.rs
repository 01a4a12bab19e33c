//! The page and its events.

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::*;

#[tokio::test]
async fn the_page_is_one_document_with_a_policy_for_nothing_but_itself() {
    let server = start(vec![]).await;
    let answer = ask(server.address, "GET", "/").await;
    assert_eq!(answer.code, 200);
    assert!(
        answer
            .head
            .contains("content-type: text/html; charset=utf-8")
    );
    let policy = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("content-security-policy: "))
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'nonce-"),
        "{policy}"
    );
    let nonce = policy
        .split("'nonce-")
        .nth(1)
        .unwrap()
        .split('\'')
        .next()
        .unwrap();
    assert!(answer.body.contains(&format!("<script nonce=\"{nonce}\">")));
    assert!(answer.body.contains("new EventSource"));
    let other = ask(server.address, "GET", "/").await;
    assert!(!other.head.contains(nonce), "the number is drawn anew");
}

/// Opens the events and reads as far as the first sample.
async fn watch(address: SocketAddr) -> (BufReader<TcpStream>, Status) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0, "{head}");
    }
    assert!(head.contains("x-accel-buffering: no"), "{head}");
    let sample = next(&mut stream).await.unwrap();
    (stream, sample)
}

async fn next(stream: &mut BufReader<TcpStream>) -> Option<Status> {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            return None;
        }
        if let Some(data) = line.strip_prefix("data: ") {
            return Some(serde_json::from_str(data).unwrap());
        }
    }
}

#[tokio::test]
async fn every_viewer_gets_the_same_samples_until_the_server_ends() {
    let server = start(vec![]).await;
    let (mut one, first) = watch(server.address).await;
    let (mut other, _) = watch(server.address).await;
    assert_eq!(first.version, env!("CARGO_PKG_VERSION"));
    assert!(!first.changeable && first.verdict.sentence.contains("Nothing is being booked"));
    let mut left = next(&mut one).await.unwrap();
    let mut right = next(&mut other).await.unwrap();
    // There is a sample a second, and who is behind reads on.
    while left.uptime_seconds != right.uptime_seconds {
        if left.uptime_seconds < right.uptime_seconds {
            left = next(&mut one).await.unwrap();
        } else {
            right = next(&mut other).await.unwrap();
        }
    }
    assert_eq!(left, right);
    server.end().await;
    while next(&mut one).await.is_some() {}
}

#[tokio::test]
async fn viewers_beyond_the_bound_are_sent_away_and_a_seat_is_free_again_afterwards() {
    let server = start(vec![]).await;
    let mut viewers = Vec::new();
    for _ in 0..64 {
        viewers.push(watch(server.address).await);
    }
    let answer = ask(server.address, "GET", "/events").await;
    assert_eq!(answer.code, 503);
    assert!(
        answer.body.contains("too many are watching"),
        "{}",
        answer.body
    );
    drop(viewers);
    // A closed connection is noticed when the next sample cannot be written.
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.unwrap();
        if line.contains("200") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no seat became free");
}
