//! Ends of simulated frames.

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_domain::Centicores;
use cue_proto::rqd::RqdStaticLaunchFrameRequest;
use cue_simfarm::rqd::{FrameDuration, SimRqdSettings};

use crate::hosts::{frame, start, to};

fn lasting(duration: FrameDuration) -> SimRqdSettings {
    SimRqdSettings {
        duration,
        ..SimRqdSettings::default()
    }
}

#[tokio::test]
async fn a_launched_frame_runs_and_ends_once_with_a_completion() {
    let (mut farm, hosts) = start(lasting(FrameDuration::Fixed(Duration::from_millis(50))));
    let mut completions = farm.completions().unwrap();
    assert!(farm.completions().is_none(), "there is one receiver");

    let mut request = to(
        "a",
        RqdStaticLaunchFrameRequest {
            run_frame: Some(frame("f")),
        },
    );
    request
        .metadata_mut()
        .insert("traceparent", "00-aa-bb-01".parse().unwrap());
    hosts.rqd().launch_frame(request).await.unwrap();
    farm.launched(1).await;
    let launches = farm.launches();
    let launch = &launches[0];
    assert_eq!(
        (&*launch.host, &*launch.frame_id, launch.num_cores),
        ("a", "f", 100)
    );
    assert_eq!(launch.resource_id, "proc-of-f");
    assert_eq!(launch.traceparent.as_deref(), Some("00-aa-bb-01"));
    assert_eq!(launch.run_frame.as_deref(), Some(&frame("f")));

    let end = completions.recv().await.unwrap();
    assert_eq!(
        (&*end.host, &*end.frame_id, &*end.resource_id),
        ("a", "f", "proc-of-f")
    );
    assert_eq!(
        (&*end.job_id, &*end.layer_id, end.num_cores),
        ("job", "layer", 100)
    );
    assert_eq!((end.exit_status, end.exit_signal), (0, 0));
    assert!(end.run_time >= Duration::from_millis(50));
    assert!(
        (1_048_576..3_145_728).contains(&end.max_rss.0),
        "{}",
        end.max_rss
    );
    farm.ended(1).await;
    assert_eq!(
        (farm.running_count(), farm.cores_in_use("a")),
        (0, Centicores(0))
    );
    farm.shutdown().await;
    assert!(completions.recv().await.is_none(), "the frame ended once");
}

#[tokio::test]
async fn a_full_channel_delays_ends_and_drops_none() {
    let (mut farm, hosts) = start(SimRqdSettings {
        completions: NonZeroUsize::new(2).unwrap(),
        ..lasting(FrameDuration::Fixed(Duration::ZERO))
    });
    let mut completions = farm.completions().unwrap();
    for n in 0..20 {
        hosts.launch("a", frame(&n.to_string())).await.unwrap();
    }
    // Room for two, and one more that the task itself holds.
    farm.ended(3).await;
    assert_eq!(farm.running_count(), 17);
    let mut ended = Vec::new();
    for _ in 0..20 {
        ended.push(
            completions
                .recv()
                .await
                .unwrap()
                .frame_id
                .parse::<u32>()
                .unwrap(),
        );
    }
    farm.ended(20).await;
    ended.sort_unstable();
    assert_eq!(ended, (0..20).collect::<Vec<_>>());
    assert_eq!(farm.running_count(), 0);
}

#[tokio::test]
async fn frames_end_by_their_own_time_or_by_the_test() {
    let durations = FrameDuration::Uniform(Duration::ZERO, Duration::from_millis(80));
    let (mut farm, hosts) = start(lasting(durations));
    let mut completions = farm.completions().unwrap();
    for n in 0..40 {
        hosts.launch("a", frame(&n.to_string())).await.unwrap();
    }
    for _ in 0..40 {
        let end = completions.recv().await.unwrap();
        let own = durations.of(1, &end.frame_id).unwrap();
        assert!(end.run_time >= own, "{} of {own:?}", end.frame_id);
    }
    let (mut farm, hosts) = start(SimRqdSettings::default());
    let mut completions = farm.completions().unwrap();
    hosts.launch("a", frame("f")).await.unwrap();
    assert!(farm.finish("f", 3).await);
    assert!(!farm.finish("f", 3).await);
    assert_eq!(completions.recv().await.unwrap().exit_status, 3);
}

#[tokio::test]
async fn a_rerun_is_not_ended_by_the_timer_of_the_run_before() {
    let (mut farm, hosts) = start(lasting(FrameDuration::Fixed(Duration::from_secs(1))));
    let mut completions = farm.completions().unwrap();
    hosts.launch("a", frame("f")).await.unwrap();
    hosts.kill("a", "f", "test").await.unwrap();
    hosts.launch("a", frame("f")).await.unwrap();
    assert_eq!(completions.recv().await.unwrap().exit_signal, 9);
    let second = completions.recv().await.unwrap();
    assert!(
        second.run_time >= Duration::from_secs(1),
        "{:?}",
        second.run_time
    );
}

#[tokio::test]
async fn without_a_taker_frames_end_all_the_same() {
    let (mut farm, hosts) = start(SimRqdSettings {
        completions: NonZeroUsize::MIN,
        ..lasting(FrameDuration::Fixed(Duration::ZERO))
    });
    drop(farm.completions());
    for n in 0..10 {
        hosts.launch("a", frame(&n.to_string())).await.unwrap();
    }
    farm.ended(10).await;
    assert_eq!(farm.running_count(), 0);
}
