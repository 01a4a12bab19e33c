//! `why` with the real program, over HTTP and on the command line, about jobs
//! that the farm's own rows keep from running.
//!
//! Invariant: the subject of a question is set up with the farm's own statements, never with the scheduler's.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod asked;
mod contradicted;
mod fallback;
mod held;
mod left_out;
mod queued;
mod world;

use cue_simfarm::waiting::within;
use tokio::process::Command;

use world::{ask, change, farm, program, sentence, service};

#[tokio::test]
async fn a_job_is_found_by_name_or_id() {
    let (db, farm) = farm().await;
    let launched = farm.frames("shot", 5, |_| {}).await.unwrap();
    let open = "can run now on 1 host, and no frame of show alpha is ahead of it.";
    assert_eq!(sentence(&db, "shot").await, format!("job shot {open}"));
    assert_eq!(
        sentence(&db, &launched.id).await,
        format!("job shot {open}")
    );
    assert_eq!(
        sentence(&db, "shot/render").await,
        format!("layer render of job shot {open}")
    );
    let third = sentence(&db, "shot/0003-render").await;
    let wanted = "frame 0003-render of job shot can run now on 1 host, and 2 frames of show alpha are ahead of it.";
    assert_eq!(third, wanted);
    change(
        &db,
        "UPDATE job SET b_paused = true WHERE pk_job = $1",
        &launched.id,
    )
    .await;
    assert_eq!(
        sentence(&db, "shot").await,
        "job shot does not run because its job is paused."
    );
}

#[tokio::test]
async fn frames_of_earlier_layers_are_ahead_of_a_layer_and_of_its_frames() {
    let (db, farm) = farm().await;
    let job = farm.job("shot", |job| {
        let tags = &farm.allocation.name;
        job.layer("first", tags, |layer| layer.frames = 3);
        job.layer("second", tags, |layer| layer.frames = 2);
    });
    job.await.unwrap();
    let ahead =
        |count| format!("can run now on 1 host, and {count} of show alpha are ahead of it.");
    assert_eq!(
        sentence(&db, "shot/second").await,
        format!("layer second of job shot {}", ahead("3 frames"))
    );
    let frame = sentence(&db, "shot/0002-second").await;
    let wanted = format!("frame 0002-second of job shot {}", ahead("4 frames"));
    assert_eq!(frame, wanted);
}

#[tokio::test]
async fn hosts_with_the_tag_that_are_locked_down_or_silent_are_counted() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let lock = "UPDATE host SET str_lock_state = 'LOCKED' WHERE str_name = $1";
    change(&db, lock, "big").await;
    for (name, lock, state) in [
        ("desk", "NIMBY_LOCKED", "UP"),
        ("off", "OPEN", "DOWN"),
        ("mute", "OPEN", "UP"),
    ] {
        let host = farm.host(name, |host| {
            (host.lock_state, host.state) = (lock.to_owned(), state.to_owned());
        });
        host.await.unwrap();
    }
    let silent = "UPDATE host_stat SET ts_ping = current_timestamp - interval '1 day' WHERE pk_host = (SELECT pk_host FROM host WHERE str_name = $1)";
    change(&db, silent, "mute").await;
    let answer = sentence(&db, "shot").await;
    let wanted = "job shot cannot run because no host that is up and open has the tag general; 4 hosts have the tag: 1 is locked, 1 is in use by somebody (NIMBY), 1 is down, 1 has been silent for over ";
    assert!(answer.starts_with(wanted), "{answer}");
}

#[tokio::test]
async fn numbers_of_caps_limits_and_hosts_come_from_their_rows() {
    let (db, farm) = farm().await;
    let capped = farm.frames("capped", 3, |_| {}).await.unwrap();
    change(
        &db,
        "UPDATE job_resource SET int_max_cores = 0 WHERE pk_job = $1",
        &capped.id,
    )
    .await;
    let wanted =
        "job capped cannot run because job capped has a cap of 0 cores, which admits nothing.";
    assert_eq!(sentence(&db, "capped").await, wanted);

    let limit = farm.limit("arnold", 0).await.unwrap();
    farm.frames("limited", 3, |layer| layer.limits.push(limit))
        .await
        .unwrap();
    let wanted = "job limited waits because limit arnold is reached: 0 of 0 are running.";
    assert_eq!(sentence(&db, "limited").await, wanted);

    farm.frames("huge", 3, |layer| layer.cores_min = 6_400)
        .await
        .unwrap();
    let wanted =
        "job huge cannot run because a frame needs 64 cores, and the biggest of its hosts has 32.";
    assert_eq!(sentence(&db, "huge").await, wanted);

    farm.frames("lost", 3, |layer| layer.tags = "moon | mars".to_owned())
        .await
        .unwrap();
    let wanted = "job lost cannot run because no host has one of the tags moon, mars.";
    assert_eq!(sentence(&db, "lost").await, wanted);

    let later = farm.frames("later", 3, |_| {}).await.unwrap();
    let gate = "UPDATE layer SET ts_start_after = current_timestamp + interval '2 hours', str_start_after_reason = 'night' WHERE pk_job = $1";
    change(&db, gate, &later.id).await;
    let answer = sentence(&db, "later").await;
    assert!(
        answer.starts_with("job later must not start for another 1 h 59 min (night)"),
        "{answer}"
    );

    change(
        &db,
        "UPDATE subscription SET int_burst = 0 WHERE pk_show = $1",
        &farm.show.id,
    )
    .await;
    let answer = sentence(&db, "lost").await;
    assert!(
        answer.contains("show alpha uses 0 of its 0 cores of allocation"),
        "{answer}"
    );
    change(
        &db,
        "UPDATE show SET b_scheduler_managed = false WHERE pk_show = $1",
        &farm.show.id,
    )
    .await;
    let wanted = "job lost is not for this scheduler: show alpha is booked by Cuebot itself.";
    assert_eq!(sentence(&db, "lost").await, wanted);
}

#[tokio::test]
async fn an_unknown_name_and_a_service_that_is_away_are_errors() {
    let (db, _farm) = farm().await;
    let output = ask(&db, "nothing").await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("\nthere is no job, layer or frame `nothing`"),
        "{error}"
    );
    let mut asked = program(&["why", "nothing", "--addr", "127.0.0.1:9"], &db.url);
    let output = within("an answer", asked.output()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.starts_with("cannot reach cue-scheduler at 127.0.0.1:9"),
        "{error}"
    );
}

#[tokio::test]
async fn a_running_service_answers_the_command_line_and_shows_itself_as_text() {
    let (db, farm) = farm().await;
    farm.frames("still", 3, |layer| layer.gpus_min = 4)
        .await
        .unwrap();
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true")]).await;
    let mut asked = program(
        &["why", "still/0002-render", "--addr", &address],
        "postgres://nowhere/none",
    );
    let output = within("an answer", asked.output()).await.unwrap();
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let wanted = "frame 0002-render of job still cannot run because a frame needs 4 GPUs, and the biggest of its hosts has 0.";
    assert_eq!(answer.trim(), wanted);
    let mut asked = program(
        &["why", "no such/thing", "--addr", &address],
        "postgres://nowhere/none",
    );
    let output = within("an answer", asked.output()).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.starts_with("there is no job, layer or frame `no such/thing`"),
        "{error}"
    );
    let view = within("a view with a cluster", view(&address)).await;
    for wanted in ["cue-scheduler", "DRY RUN", "cluster_feed", "check_in"] {
        assert!(view.contains(wanted), "{wanted} is missing in\n{view}");
    }
}

/// The view as text, from the first sample on that shows a cluster.
async fn view(address: &str) -> String {
    loop {
        let mut asked = program(
            &["top", "--once", "--addr", address],
            "postgres://nowhere/none",
        );
        let output = asked.output().await.unwrap();
        let view = String::from_utf8_lossy(&output.stdout).into_owned();
        if view.contains("yard/alpha") {
            return view;
        }
    }
}

#[tokio::test]
async fn sigusr1_switches_the_details_of_the_log_on_and_off() {
    let (db, _farm) = farm().await;
    let (child, _address, mut lines) = service(&db.url, &[("CUE_DRY_RUN", "true")]).await;
    let pid = child.id().unwrap().to_string();
    for filter in ["info,cue_=debug", "info"] {
        let sent = Command::new("kill")
            .args(["-USR1", &pid])
            .status()
            .await
            .unwrap();
        assert!(sent.success());
        within(filter, async {
            loop {
                let line = lines.next_line().await.unwrap().unwrap();
                let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                if line["message"] == "the log filter was switched by SIGUSR1" {
                    assert_eq!(line["filter"], filter);
                    return;
                }
            }
        })
        .await;
    }
}
