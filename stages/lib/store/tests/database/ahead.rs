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

#[tokio::test]
async fn names_with_slashes_are_found() {
    let yard = Yard::new().await;
    let tags = yard.farm.allocation.name.clone();
    for (job, layers) in [("ep1", &["sh/01"][..]), ("ep1/sh", &["02/fx", "03"])] {
        let launched = yard.farm.job(job, |job| {
            for name in layers {
                job.layer(name, &tags, |layer| layer.frames = 1);
            }
        });
        launched.await.unwrap();
    }
    for (asked, subject) in [
        ("ep1", "job ep1"),
        ("ep1/sh", "job ep1/sh"),
        ("ep1/sh/01", "layer sh/01 of job ep1"),
        ("ep1/sh/02/fx", "layer 02/fx of job ep1/sh"),
        ("ep1/sh/03", "layer 03 of job ep1/sh"),
        ("ep1/sh/02/fx/", ""),
        ("/ep1/sh/03", ""),
    ] {
        let facts = yard.store.why(asked, &[]).await.unwrap();
        let found = facts.map(|facts| facts.subject).unwrap_or_default();
        assert_eq!(found, subject, "{asked}");
    }
}
