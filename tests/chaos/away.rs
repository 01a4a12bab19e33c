//! A Cuebot that is away for long: what its hosts have finished meanwhile is not run again, though no
//! row says so and the replicas that launched it are dead.

use std::time::Duration;

use cue_simfarm::dice::from_environment;
use cue_simfarm::rqd::FrameDuration;
use cue_simfarm::waiting::{until, within};

use crate::farm::Farm;

/// Frames of one core that the show may run at a time.
const BURST: i64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn frames_that_ended_while_cuebot_was_away_are_not_run_again() {
    // A booking counts as forgotten after about 7 s here, and after 27 s by default.
    let seconds = from_environment("CUE_TEST_AWAY", 20);
    let short = FrameDuration::Uniform(Duration::from_millis(20), Duration::from_millis(300));
    let mut farm = Farm::new("away", short, seconds).await;
    for replica in &mut farm.replicas {
        replica.start();
    }
    farm.top_up().await;
    within("a hundred ends", farm.cuebot.completed_at_least(100)).await;
    farm.cuebot.go_away();
    farm.top_up().await;
    // Everything that the show may have is booked, its launch recorded, has run, and waits to be reported.
    let launched = "SELECT count(*) FROM proc WHERE pk_frame IS NOT NULL AND ts_ping > ts_booked";
    until("the show to be full", async || {
        farm.db.count(launched).await == BURST && farm.rqd.running_count() == 0
    })
    .await;
    let launched = farm.rqd.launch_count();
    // Now nobody is left who remembers a launch.
    for replica in &mut farm.replicas {
        replica.kill().await;
        replica.start();
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    assert_eq!(
        farm.rqd.launch_count(),
        launched,
        "launched while Cuebot was away"
    );
    farm.cuebot.come_back();
    farm.drained().await;
    farm.close_once(seconds).await;
}
