//! Commands whose reader closes the pipe, as `| head -1` does: a quiet end with the exit code of the answer.

use std::process::Stdio;

use cue_simfarm::waiting::within;
use tokio::process::Command;

use crate::service::Service;

#[tokio::test]
async fn a_reader_that_closes_the_pipe_changes_no_exit_code_and_causes_no_panic() {
    let service = Service::start(&[]).await;
    let address = service.address.as_str();
    for words in [
        &["--help"][..],
        &["config"],
        &["config", "--reference"],
        &["config", "--set", "rqd.port=0"],
        &["check"],
        &["check", "--json"],
        &["top", "--once", "--addr", address],
        &["why", "shot", "--addr", address],
        &["why", "nothing", "--addr", address],
        &["why", "shot"],
        &["run", "--set", "rqd.port=0"],
    ] {
        let command = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cue-scheduler"));
            command
                .args(words)
                .env_clear()
                .env("CUE_DATABASE_URL", &service.db.url)
                .env("CUE_ADMIN_ADDR", "127.0.0.1:9")
                .stdin(Stdio::null())
                .kill_on_drop(true);
            command
        };
        let closed = || std::io::pipe().unwrap().1;
        let wanted = within("an answer", command().output())
            .await
            .unwrap()
            .status;
        let ended = within("an answer", command().stdout(closed()).output())
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert!(!error.contains("panicked"), "{words:?}: {error}");
        assert_eq!(ended.status, wanted, "{words:?}: {error}");
        let ended = command().stdout(closed()).stderr(closed()).status();
        let ended = within("an answer", ended).await.unwrap();
        assert_eq!(ended, wanted, "{words:?} without standard error");
    }
}
