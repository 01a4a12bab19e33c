//! Without a scheduler that answers, the database is asked, and the answer names the facts that only a scheduler has.

use cue_simfarm::waiting::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::{farm, printed, program};

/// Answers every question as a program does that knows nothing of ours.
async fn answer_404(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = [0; 1_024];
        let _ = stream.read(&mut question).await.unwrap();
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 19\r\nConnection: close\r\n\r\n404 page not found\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn the_answer_of_another_program_counts_as_no_scheduler_there() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut other = JoinSet::new();
    other.spawn(answer_404(listener));
    let mut asked = program(&["why", "shot"], &db.url);
    asked.env("CUE_ADMIN_ADDR", &address);
    let output = within("an answer", asked.output()).await.unwrap();
    assert_eq!(
        printed("shot", &output),
        "job shot can run now on 1 host, and no frame of show alpha is ahead of it."
    );
    let said = format!(
        "no scheduler at {address}, asked the database alone: backoffs, shares and the order are not known"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim(), said);

    let mut named = program(&["why", "shot", "--addr", &address], &db.url);
    let output = within("an answer", named.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("did not answer as cue-scheduler does"),
        "{error}"
    );
}
