//! Layers that fail by themselves are no trouble of the farm.

use std::time::Duration;

use cue_simfarm::waiting::until;

use crate::world::{NO_TRIGGER, Yard, trigger};

/// A trigger about the job of this id.
fn about(code: &str, job: &str) -> String {
    trigger(code, &format!("NEW.pk_job = '{job}'"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_layer_among_sound_ones_and_alone_leaves_the_program_ready() {
    let yard = Yard::open().await;
    let mut booked = 0;
    for code in ["P0001", "22023", "53100", "42501"] {
        let name = format!("bad{code}");
        let bad = yard.farm.frames(&name, 1, |layer| {
            layer.tags = "later".to_owned();
        });
        let bad = bad.await.unwrap();
        yard.run(&about(code, &bad.id)).await;
        yard.run("UPDATE layer SET str_tags = 'general' WHERE str_tags = 'later'")
            .await;
        for n in 0..8 {
            yard.job(&format!("sound{code}-{n}")).await;
            booked += 1;
            until("the sound job", async || yard.booked().await >= booked).await;
            assert_eq!(yard.ready().await.0, 200);
        }
        // Only the bad one is left.
        for _ in 0..30 {
            let (code, body) = yard.ready().await;
            assert_eq!(code, 200, "{body}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(yard.booked().await, booked);
        yard.run("UPDATE job SET b_paused = true WHERE str_name LIKE '%bad%'")
            .await;
        yard.run(NO_TRIGGER).await;
    }
    let log = yard.close().await;
    assert!(!log.contains("nothing can be booked"), "{log}");
}
