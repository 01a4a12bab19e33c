//! Frames ahead of a job: those of jobs and layers served before, without layers that back off.

use cue_domain::LayerId;
use cue_simfarm::seed::Launched;

use crate::yard::Yard;

async fn ahead(yard: &Yard, back_off: &[&Launched]) -> (i64, i64) {
    let layer = |job: &&Launched| LayerId::from(job.layers[0].id.as_str());
    let layers: Vec<LayerId> = back_off.iter().map(layer).collect();
    let facts = yard.store.why("behind/last", &layers).await.unwrap();
    let facts = facts.unwrap();
    (facts.ahead, facts.layers[0].earlier)
}

#[tokio::test]
async fn a_layer_that_backs_off_is_ahead_of_nobody() {
    let yard = Yard::new().await;
    let tags = yard.farm.allocation.name.clone();
    let first = yard.farm.job("first", |job| {
        job.priority = 100;
        job.layer("refused", &tags, |layer| layer.frames = 7);
        job.layer("sound", &tags, |layer| layer.frames = 5);
    });
    let first = first.await.unwrap();
    let behind = yard.farm.job("behind", |job| {
        job.layer("refused", &tags, |layer| layer.frames = 3);
        job.layer("last", &tags, |layer| layer.frames = 2);
    });
    let behind = behind.await.unwrap();
    assert_eq!(ahead(&yard, &[]).await, (12, 3));
    assert_eq!(ahead(&yard, &[&first]).await, (5, 3));
    assert_eq!(ahead(&yard, &[&first, &behind]).await, (5, 0));
}
