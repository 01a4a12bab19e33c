//! Work that only the scheduler itself keeps from running: tags and facilities that its settings leave out,
//! and hosts that back off because launches failed on them.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{Fault, SimRqd, SimRqdSettings};
use cue_simfarm::waiting::{until, within};

use crate::world::{farm, printed, program, service};

/// Asks the database, with this setting.
async fn sentence_with(db: &TestDb, (name, value): (&str, &str)) -> String {
    let mut asked = program(&["why", "shot"], &db.url);
    asked.env("CUE_ADMIN_ADDR", "127.0.0.1:9").env(name, value);
    printed("shot", &within("an answer", asked.output()).await.unwrap())
}

/// Asks the service there.
async fn sentence_at(address: &str) -> String {
    let mut asked = program(
        &["why", "shot", "--addr", address],
        "postgres://nowhere/none",
    );
    printed("shot", &within("an answer", asked.output()).await.unwrap())
}

#[tokio::test]
async fn service_and_command_name_the_tags_and_facilities_that_are_left_out() {
    let (db, farm) = farm().await;
    farm.frames("shot", 3, |_| {}).await.unwrap();
    let ignored = ("CUE_IGNORE_TAGS", "desktop,general");
    let wanted = "job shot is not for this scheduler: its settings leave out the tag general.";
    assert_eq!(sentence_with(&db, ignored).await, wanted);
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true"), ignored]).await;
    assert_eq!(sentence_at(&address).await, wanted);

    let other = "INSERT INTO facility (pk_facility, str_name) VALUES ('south', 'south')";
    db.run(other).await;
    let facility = ("CUE_FACILITY", "south");
    let wanted = "job shot is not for this scheduler: it serves facility south only, and the job is of yard.";
    assert_eq!(sentence_with(&db, facility).await, wanted);
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true"), facility]).await;
    assert_eq!(sentence_at(&address).await, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_back_off_after_failed_launches_are_the_reason_until_they_are_tried() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let rqd = SimRqd::start(SimRqdSettings::default()).unwrap();
    rqd.set_fault_all(Fault::RefuseForNow);
    let at = rqd.address().to_string();
    let (_child, address, _log) = service(&db.url, &[("CUE_RQD_ADDRESS", &at)]).await;
    let begins = "job shot waits because the only host with room failed to launch a frame and backs off for another ";
    let mut last = String::new();
    until("the backoff to be the answer", async || {
        last = sentence_at(&address).await;
        last.starts_with(begins)
    })
    .await;
    for part in [
        " s; its last refused launch was ",
        " ago: big refused the frame for now ",
    ] {
        assert!(last.contains(part), "{last}");
    }
    rqd.set_fault_all(Fault::None);
    within("the launch after the backoff", rqd.launched(1)).await;
    assert_eq!(
        sentence_at(&address).await,
        "job shot has no waiting frames: of 1 frame, 1 running, 0 done, 0 waiting for others and 0 failed."
    );
    within("the hosts to stop", rqd.shutdown()).await;
}
