//! Ids are text: a farm whose ids are spelled in upper case is served like any other.

use std::sync::Arc;

use cue_domain::{Cluster, ClusterKey, Depth, TagKind};
use cue_simfarm::postgres::TestDb;
use cue_store::{BookRow, Unlaunched, WantedLayer};

use crate::yard::{ONE, Yard, open};

const FRONT: Depth = Depth::FRONT;

/// Spells every key and every reference to a key in upper case.
const SPELL_IN_UPPER_CASE: &str = include_str!("upper_case.sql");

async fn spell_in_upper_case(db: &TestDb) {
    sqlx::raw_sql(SPELL_IN_UPPER_CASE)
        .execute(&db.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn upper_case_ids_keep_their_spelling_from_the_cluster_to_the_undo() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    spell_in_upper_case(&yard.db).await;

    let tags = yard.store.list_clusters(None).await.unwrap();
    let general = tags.iter().find(|row| row.kind == TagKind::Alloc).unwrap();
    let show = &general.shows[0].0;
    assert_eq!(show.as_str(), yard.farm.show.id.to_uppercase());
    let cluster = Cluster {
        key: ClusterKey {
            facility: general.facility.clone(),
            show: show.clone(),
            kind: TagKind::Alloc,
            tags: general.tags.clone().into(),
        },
        facility_name: Arc::from("yard"),
        show_name: Arc::from("alpha"),
    };
    let pending = yard.store.pending_layers(&cluster, FRONT, 10, 10).await;
    let pending = pending.unwrap().jobs.remove(0);
    assert_eq!(pending.job.id.as_str(), job.id.to_uppercase());
    let seen = &yard.store.open_hosts(None, None).await.unwrap().hosts[0];
    assert_eq!(seen.id.as_str(), host.id.to_uppercase());

    let layer = pending.layers[0].id.clone();
    let (mut held, locked) = open(&yard.store, &[WantedLayer { layer, frames: 1 }]).await;
    let frame = &locked[0].frames[0];
    let row = BookRow {
        frame: frame.id.clone(),
        version: frame.version,
        layer: locked[0].layer.id.clone(),
        job: pending.job.id.clone(),
        show: pending.job.show.clone(),
        folder: pending.job.folder.clone(),
        dept: pending.job.dept.clone(),
        host: seen.id.clone(),
        host_name: seen.name.clone(),
        alloc: seen.alloc.clone(),
        proc: "AN-UPPER-CASE-PROC".into(),
        reserved: ONE,
    };
    let rows = [row];
    let ledger = held.ledger(&rows).await.unwrap();
    assert!(ledger.hosts.contains_key(&rows[0].host));
    assert!(ledger.jobs.contains_key(&rows[0].job));
    let booked = held.book(&rows).await.unwrap();
    let facts = held.launch_facts(vec![rows[0].layer.to_string()]).await;
    assert_eq!(facts.unwrap()[&rows[0].layer].job, rows[0].job);
    held.commit(&rows).await.unwrap();
    yard.assert_sound().await;

    let booking = Unlaunched {
        frame: booked.frames[0].frame.clone(),
        version: booked.frames[0].version,
        proc: rows[0].proc.clone(),
    };
    assert_eq!(
        booking.frame.as_str(),
        job.layers[0].frames[0].to_uppercase()
    );
    assert_eq!(yard.store.undo(&[booking]).await.unwrap().procs.len(), 1);
    yard.assert_sound().await;
}
