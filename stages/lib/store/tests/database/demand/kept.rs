//! Frames that no turn can find, by show and reason: counted by complete readings, and by these alone.

use cue_domain::demand::DemandRows;
use cue_store::DemandCursor;

use crate::yard::Yard;

/// Frames by reason, in the order of the codes.
fn kept(rows: &DemandRows) -> Vec<(&'static str, i64)> {
    let mut kept: Vec<_> = rows
        .kept
        .iter()
        .map(|kept| {
            let site = (&*kept.facility_name, &*kept.show_name);
            assert_eq!(site, ("yard", "alpha"));
            (kept.reason.code(), kept.frames)
        })
        .collect();
    kept.sort_unstable();
    kept
}

#[tokio::test]
async fn frames_that_turns_cannot_find_are_counted_by_show_and_reason() {
    let yard = Yard::new().await;
    for (name, frames) in [
        ("free", 1),
        ("paused", 2),
        ("full", 4),
        ("none", 8),
        ("later", 16),
    ] {
        yard.job(name, frames).await;
    }
    assert_eq!(kept(&yard.demand().await.0), []);
    yard.db
        .run("UPDATE job SET b_paused = true WHERE str_name = 'paused';
              UPDATE job_resource SET int_cores = int_max_cores WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'full');
              UPDATE job_resource SET int_max_cores = 0 WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'none');
              UPDATE layer SET ts_start_after = current_timestamp + interval '1 hour'
                  WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'later');
              UPDATE job_stat SET int_depend_count = 32 WHERE pk_job IN (SELECT pk_job FROM job WHERE str_name IN ('free', 'paused'))")
        .await;
    let (rows, cursor) = yard.demand().await;
    let all = [
        ("depends", 64),
        ("job_cap", 12),
        ("paused", 2),
        ("start_after", 16),
    ];
    assert_eq!(kept(&rows), all);
    assert_eq!(rows.layers.len(), 1, "only the free job has layers to try");
    let (look, _) = yard.store.demand(None, &cursor, false).await.unwrap();
    assert!(!look.complete && look.kept.is_empty());

    let unseen = DemandCursor::default();
    let elsewhere = yard.store.demand(Some("elsewhere"), &unseen, true);
    assert!(elsewhere.await.unwrap().0.kept.is_empty());
    yard.db
        .run(
            "UPDATE job SET str_state = 'FINISHED' WHERE str_name <> 'later';
              UPDATE layer SET ts_start_after = NULL",
        )
        .await;
    assert_eq!(kept(&yard.demand().await.0), []);
}
