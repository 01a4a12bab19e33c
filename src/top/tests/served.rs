//! The client of the view against a real server, and against somebody else.

use crate::admin::{AdminServer, AdminState, HostNames};
use crate::client::{Samples, get};

async fn starting() -> (AdminServer, String) {
    let address = "127.0.0.1:0".parse().unwrap();
    let admin = AdminServer::start(address, HostNames::default());
    let admin = admin.await.unwrap();
    let address = admin.address().to_string();
    (admin, address)
}

#[tokio::test]
async fn samples_and_answers_come_from_a_real_server() {
    let (mut admin, address) = starting().await;
    admin.show(AdminState::new(prometheus::Registry::new()));
    let mut samples = Samples::open(&address).await.unwrap();
    let sample = samples.next().await.unwrap();
    assert_eq!(sample.version, env!("CARGO_PKG_VERSION"));
    let answer = get(&address, "/healthz").await.unwrap();
    assert_eq!(
        (answer.code, answer.body.as_str()),
        (200, r#"{"status":"alive"}"#)
    );
    assert_eq!(get(&address, "/nowhere").await.unwrap().code, 404);
    admin.end().await;
    while samples.next().await.is_ok() {}
    let gone = Samples::open(&address).await.unwrap_err();
    assert!(
        gone.to_string()
            .contains(&format!("cannot reach cue-scheduler at {address}")),
        "{gone}"
    );
}

#[tokio::test]
async fn a_service_that_cannot_answer_yet_says_so_itself() {
    let (_admin, address) = starting().await;
    let refused = Samples::open(&address).await.unwrap_err();
    let told = "says: it is starting, and has nothing to show yet";
    assert!(refused.to_string().ends_with(told), "{refused}");
    assert_eq!(refused.brief(), format!("{address} {told}"));
}

#[tokio::test]
async fn somebody_else_is_told_apart_from_the_service() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap().to_string();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = other.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-x\r\n")
            .await
            .unwrap();
    });
    let error = Samples::open(&address).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("did not answer as cue-scheduler does: SSH-2.0-x"),
        "{error}"
    );
    tasks.join_all().await;
}
