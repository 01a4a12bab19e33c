//! Questions with more than a sentence for an answer: JSON, layers, changes, shows, hosts, names with slashes.

use cue_scheduler::client::get;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::LayerSpec;
use cue_simfarm::waiting::{until, within};
use serde_json::Value;

use crate::world::{farm, printed, program, service};

/// The sentence of the service at this address.
async fn answered(address: &str, subject: &str) -> String {
    let answer = get(address, &format!("/why/{subject}")).await.unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["sentence"].as_str().unwrap_or_default().to_owned()
}

/// The answer of the database alone to these words.
async fn asked(db: &TestDb, words: &[&str]) -> String {
    let mut asked = program(&[&["why"], words].concat(), &db.url);
    let output = asked.env("CUE_ADMIN_ADDR", "127.0.0.1:9").output();
    printed(
        &words.join(" "),
        &within("an answer", output).await.unwrap(),
    )
}

#[tokio::test]
async fn json_has_the_code_the_rule_and_the_facts() {
    let (db, farm) = farm().await;
    let wide = |layer: &mut LayerSpec| layer.mem_min = 900 << 20;
    farm.frames("shot", 2, wide).await.unwrap();
    let answer: Value = serde_json::from_str(&asked(&db, &["shot", "--json"]).await).unwrap();
    assert_eq!(
        (&answer["code"], &answer["rule"]),
        (&"no_host".into(), &"too_small".into())
    );
    let facts = &answer["facts"];
    assert_eq!(
        (&facts["dimension"], &facts["needs"]),
        (&"memory".into(), &(900_i64 << 20).into())
    );
    assert!(
        answer["sentence"].as_str().unwrap().contains("900 GiB"),
        "{answer}"
    );
}

#[tokio::test]
async fn each_layer_of_a_job_can_have_an_answer_of_its_own_also_with_a_slash_in_its_name() {
    let (db, farm) = farm().await;
    let tag = farm.allocation.name.clone();
    let job = farm.job("shot", |job| {
        for name in ["comp/v001", "wide"] {
            let mut layer = LayerSpec::new(name, &tag);
            layer.frames = 2;
            job.layers.push(layer);
        }
        job.layers[1].cores_min = 12_800;
    });
    job.await.unwrap();
    let both = asked(&db, &["shot", "--layers"]).await;
    let lines: Vec<&str> = both.lines().collect();
    assert_eq!(lines.len(), 2, "{both}");
    assert!(
        lines[0].starts_with("layer comp/v001 of job shot can run now"),
        "{both}"
    );
    assert!(lines[1].starts_with("layer wide of job shot"), "{both}");

    let (_child, address, _log) = service(
        &db.url,
        &[("CUE_DRY_RUN", "true"), ("CUE_IGNORE_TAGS", &tag)],
    )
    .await;
    let mut ask = program(&["why", "shot/comp/v001", "--addr", &address], &db.url);
    let output = within("an answer", ask.output()).await.unwrap();
    let sentence = printed("shot/comp/v001", &output);
    assert!(
        sentence.starts_with("layer comp/v001 of job shot"),
        "{sentence}"
    );
}

#[tokio::test]
async fn a_change_is_answered_beside_the_layer_as_it_is() {
    let (db, farm) = farm().await;
    let wide = |layer: &mut LayerSpec| layer.mem_min = 900 << 20;
    farm.frames("shot", 2, wide).await.unwrap();
    let answer = asked(&db, &["shot", "--if", "mem=4GiB,cores=2"]).await;
    let (now, then) = answer.split_once('\n').unwrap();
    assert!(now.contains("a frame needs 900 GiB of memory"), "{answer}");
    let expected = "With mem=4GiB,cores=2: job shot can run now on 1 host";
    assert!(then.starts_with(expected), "{answer}");

    let bad = program(&["why", "shot", "--if", "mem=4"], &db.url).output();
    let bad = within("an answer", bad).await.unwrap();
    let error = String::from_utf8_lossy(&bad.stderr);
    assert!(!bad.status.success() && error.contains("32GiB"), "{error}");
}

#[tokio::test]
async fn a_running_scheduler_answers_about_shows_and_hosts() {
    let (db, farm) = farm().await;
    let wide = |layer: &mut LayerSpec| layer.mem_min = 900 << 20;
    farm.frames("shot", 3, wide).await.unwrap();
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true")]).await;
    let ask = async |path: &str| -> Value {
        serde_json::from_str(&get(&address, path).await.unwrap().body).unwrap()
    };
    let show = format!("/why/show:{}", farm.show.name);
    let mut answer = Value::Null;
    until("a view of the farm", async || {
        answer = ask(&show).await;
        answer["code"] == "no_host"
    })
    .await;
    let sentence = answer["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("3 frames wait: 3 (no host could run it)"),
        "{sentence}"
    );
    let status = ask("/status").await;
    let shows = &status["shows"][0];
    assert_eq!(shows["waiting"][0]["reason"], "no_host", "{shows}");
    assert_eq!(shows["waiting_frames"], 3);

    let host = ask("/why/host:big").await;
    assert_eq!(host["code"], "no_host", "{host}");
    assert_eq!(host["facts"]["waits_for_its_tags"]["frames"], 3);
    farm.frames("small", 4, |_| {}).await.unwrap();
    for (subject, wanted) in [
        ("host:nobody", "there is no host `nobody`"),
        ("show:nothing", "there is no active show `nothing`"),
    ] {
        let answer = ask(&format!("/why/{subject}")).await;
        let error = answer["error"].as_str().unwrap();
        assert!(error.starts_with(wanted), "{error}");
    }
    db.run(
        "INSERT INTO show (pk_show, str_name, b_scheduler_managed)
         VALUES ('quiet', 'quiet', true), ('theirs', 'theirs', false)",
    )
    .await;
    for (show, code) in [("quiet", "nothing_waits"), ("theirs", "show_not_managed")] {
        let answer = ask(&format!("/why/show:{show}")).await;
        assert_eq!(answer["code"], code, "{answer}");
    }
    let bad = get(&address, "/why/shot?if=mem").await.unwrap();
    assert_eq!(bad.code, 400, "{}", bad.body);
}

#[tokio::test]
async fn a_host_that_may_not_be_booked_is_answered_with_what_closes_it() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true")]).await;
    let silent = "UPDATE host_stat SET ts_ping = current_timestamp - interval '1 hour' \
                  WHERE pk_host = (SELECT pk_host FROM host WHERE str_name = 'big')";
    let cases = [
        (
            "UPDATE host SET str_lock_state = 'LOCKED' WHERE str_name = 'big'",
            "LOCKED",
        ),
        (
            "UPDATE host_stat SET str_state = 'REBOOT_WHEN_IDLE'",
            "REBOOT_WHEN_IDLE, LOCKED",
        ),
        (silent, "REBOOT_WHEN_IDLE, LOCKED, silent"),
    ];
    for (change, closed) in cases {
        sqlx::query(change).execute(&db.pool).await.unwrap();
        let mut answer = Value::Null;
        until("an answer about the closed host", async || {
            let body = get(&address, "/why/host:big").await.unwrap().body;
            answer = serde_json::from_str(&body).unwrap();
            answer["facts"]["closed"] == closed
        })
        .await;
        assert_eq!(answer["code"], "no_host", "{answer}");
        assert_eq!(answer["rule"], "host_closed", "{answer}");
        assert_eq!(answer["subject"], "host big", "{answer}");
    }
}

#[tokio::test]
async fn the_time_of_room_is_a_guess_until_a_frame_of_the_layers_there_has_ended() {
    let (db, farm) = farm().await;
    farm.frames("shot", 500, |_| {}).await.unwrap();
    let (_child, address, _log) = service(&db.url, &[("CUE_DRY_RUN", "true")]).await;
    let sentence = async || answered(&address, "shot").await;
    until("a full host, and a guess", async || {
        sentence().await.contains("a guess, for a layer there")
    })
    .await;
    let ended = "UPDATE layer_usage SET int_frame_success_count = 1, int_clock_time_success = 100, \
                 int_clock_time_high = 100";
    sqlx::query(ended).execute(&db.pool).await.unwrap();
    let known = sentence().await;
    assert!(
        known.contains("by the mean runs of the layers there"),
        "{known}"
    );
    // Nothing is known of procs that no report names, only who clears them.
    let lost = "UPDATE proc SET ts_ping = ts_ping - interval '100 seconds'";
    sqlx::query(lost).execute(&db.pool).await.unwrap();
    let lost = sentence().await;
    assert!(!lost.contains("expected to have room"), "{lost}");
    let wanted = "procs in no report for 90 s on these hosts: Cuebot clears them";
    assert!(lost.contains(wanted), "{lost}");
}

#[tokio::test]
async fn the_time_of_a_reserved_host_is_a_guess_likewise() {
    let (db, farm) = farm().await;
    farm.frames("shot", 500, |_| {}).await.unwrap();
    let settings = [("CUE_DRY_RUN", "true"), ("CUE_RESERVE_AFTER", "1s")];
    let (_child, address, _log) = service(&db.url, &settings).await;
    until("a full host", async || {
        let sentence = answered(&address, "shot").await;
        sentence.contains("expected to have room")
    })
    .await;
    let wide = |layer: &mut LayerSpec| layer.cores_min = 0;
    farm.frames("wide", 1, wide).await.unwrap();
    until("a reservation, and a guess", async || {
        let sentence = answered(&address, "wide").await;
        sentence.contains("reserved for it have room: big, the first in about")
            && sentence.contains("a guess, for a layer there has no finished frame yet")
    })
    .await;
}
