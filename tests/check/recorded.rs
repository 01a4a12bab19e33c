//! `record`: a farm that is recorded, written into another database and recorded again is the same farm.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{FarmSpec, LimitSpec, seed, seed_recording};

use super::program;

/// Every name of a farm that must not be in a recording.
const NAMES: &str = "SELECT str_name FROM host UNION SELECT str_name FROM show UNION SELECT str_name FROM job
    UNION SELECT str_tag FROM alloc UNION SELECT str_tag FROM host_tag UNION SELECT str_name FROM limit_record
    UNION SELECT str_name FROM facility UNION SELECT str_user FROM job UNION SELECT str_os FROM host_stat";

#[tokio::test]
async fn a_recording_names_nobody_and_is_the_same_farm_again() {
    let db = TestDb::fresh().await;
    let spec = FarmSpec {
        limits: vec![LimitSpec {
            name: "licence_of_the_house".to_owned(),
            max: 12,
            share: 0.3,
        }],
        ..FarmSpec::default()
    };
    let farm = seed(&db.pool, &spec, 7).await.unwrap();
    let recording = program(&["record"], &db.url).await;
    assert_eq!(recording.code, Some(0), "{}", recording.err);
    let names: Vec<String> = sqlx::query_scalar(NAMES).fetch_all(&db.pool).await.unwrap();
    let text = &recording.out;
    let found: Vec<_> = names
        .iter()
        .filter(|name| text.contains(&format!("\"{name}")))
        .collect();
    assert!(names.len() > 50 && found.is_empty(), "{found:?}");

    let again = TestDb::fresh().await;
    let written = seed_recording(&again.pool, text).await.unwrap();
    let numbers = |farm: &cue_simfarm::seed::Seeded| {
        (
            farm.hosts,
            farm.jobs,
            farm.layers,
            farm.frames,
            farm.cores,
            farm.gpus,
        )
    };
    assert_eq!(numbers(&written), numbers(&farm));
    let plain = program(&["record", "--names"], &again.url).await;
    assert_eq!(plain.code, Some(0), "{}", plain.err);
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        json(&plain.out) == json(text),
        "the second recording differs"
    );

    let elsewhere = program(&["record", "--facility", "nowhere"], &db.url).await;
    assert_eq!(json(&elsewhere.out)["hosts"], serde_json::json!([]));
}
