//! Ids are text: a farm whose ids are spelled in upper case is served like any other.

use std::sync::Arc;

use cue_domain::{Booking, BookingHost, BookingLayer, Cluster, ClusterKey};

use crate::yard::{ONE, Yard, locked_ledger, open, refs, unlaunched};

/// Spells every key and every reference to a key in upper case.
const SPELL_IN_UPPER_CASE: &str = include_str!("upper_case.sql");

#[tokio::test]
async fn upper_case_ids_keep_their_spelling_from_the_demand_to_the_undo() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    yard.db.run(SPELL_IN_UPPER_CASE).await;

    let (rows, cursor) = yard.demand().await;
    let waiting = &rows.jobs[0];
    assert_eq!(waiting.show.as_str(), yard.farm.show.id.to_uppercase());
    assert_eq!(rows.subscriptions[0].show, waiting.show);
    let carried = yard.store.carried_tags().await.unwrap();
    assert!(carried.contains_key(&rows.subscriptions[0].alloc));
    let cluster = Cluster {
        key: ClusterKey {
            facility: waiting.facility.clone(),
            show: waiting.show.clone(),
        },
        facility_name: Arc::clone(&waiting.facility_name),
        show_name: Arc::clone(&waiting.show_name),
    };
    let layers = [rows.layers[0].layer.id.clone()];
    let wanted = yard.store.wanted_layers(&cluster, &layers).await;
    let pending = wanted.unwrap().remove(0);
    let pause = "UPDATE job SET b_paused = $1";
    let set = async |paused: bool| {
        let done = sqlx::query(pause).bind(paused).execute(&yard.db.pool);
        done.await.unwrap();
    };
    set(true).await;
    let (gone, _) = yard.store.demand(None, &cursor, false).await.unwrap();
    assert_eq!(gone.gone_jobs, std::slice::from_ref(&waiting.id));
    set(false).await;
    assert_eq!(pending.job.id.as_str(), job.id.to_uppercase());
    let seen = &yard.store.host_snapshot(None, None).await.unwrap().hosts[0];
    assert_eq!(seen.id.as_str(), host.id.to_uppercase());

    let layer = pending.layers[0].id.clone();
    let (mut held, locked) = open(&yard.store, &[(layer, 1)]).await;
    let frame = &locked[0].frames[0];
    let row = Booking {
        proc: "AN-UPPER-CASE-PROC".into(),
        frame: frame.clone(),
        layer: Arc::new(BookingLayer::new(&locked[0].layer, &pending.job)),
        host: Arc::new(BookingHost::from(seen)),
        reserved: ONE,
    };
    let rows = [row];
    let ledger = locked_ledger(&mut held, &refs(&rows)).await;
    assert!(ledger.hosts.contains_key(&rows[0].host.id));
    assert!(ledger.jobs.contains_key(&rows[0].layer.job));
    let booked = held.book(&refs(&rows)).await.unwrap();
    let facts = held.launch_facts(&refs(&rows)).await;
    assert_eq!(facts.unwrap()[&rows[0].layer.id].job_id, rows[0].layer.job);
    held.commit(&refs(&rows)).await.unwrap();
    yard.assert_sound().await;

    let written = unlaunched(&rows, &booked);
    assert_eq!(
        written[0].frame.as_str(),
        job.layers[0].frames[0].to_uppercase()
    );
    assert_eq!(yard.store.undo(&written).await.unwrap().procs.len(), 1);
    yard.assert_sound().await;
}
