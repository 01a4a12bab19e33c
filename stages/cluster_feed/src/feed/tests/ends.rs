//! What ends the feed by itself: a farm without work, where that is asked for, and a database that stays
//! away.

use super::*;

/// A farm without work ends after so many idle turns, and not before its clusters were read.
async fn idles_out(scan: Duration, turns: u64) {
    let mut farm = Farm::start(scan, |settings| settings.exit_when_idle = Some(turns)).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), farm.flow.ended());
    assert_eq!(ended.await.unwrap(), cue_flow::Ended::Finished);
    assert_eq!(farm.book.status().len(), 2);
    farm.end().await;
}

#[tokio::test]
async fn scans_without_work_end_a_service_that_is_to_end_when_idle() {
    idles_out(Duration::from_millis(5), 10).await;
}

#[tokio::test]
async fn one_idle_turn_is_counted_only_once_the_clusters_have_been_read() {
    idles_out(Duration::from_millis(250), 1).await;
}

#[tokio::test]
async fn a_database_that_stays_away_ends_the_feed_with_its_own_error() {
    let db = TestDb::fresh().await;
    let settings = StoreSettings {
        url: db.url.clone(),
        pool: 1,
        acquire_timeout: Duration::from_secs(20),
        statement_timeout: Duration::from_secs(5),
        lock_timeout: Duration::from_secs(5),
        application_name: "cue-feed-tests".to_owned(),
        booking: BookingRules::default(),
        breaker: BreakerSettings {
            failures: 1,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(2),
            give_up_after: Some(3),
        },
    };
    let registry = Registry::new();
    let store = Store::connect(&settings, &registry).await.unwrap();
    // From here on nobody can connect, and who is connected is sent away.
    db.close().await.unwrap();
    let feed = ClusterFeed::new(
        store.clone(),
        FeedSettings {
            facility: None,
            rules: ClusterRules {
                ignore_tags: Vec::new(),
                manual_chunk: NonZeroUsize::MIN,
                hostname_chunk: NonZeroUsize::MIN,
            },
            reload: Duration::from_millis(1),
            empty_rest: Duration::from_millis(1),
            saturated_rest: Duration::from_millis(1),
            scan: Duration::from_millis(1),
            productivity_bias: true,
            exit_when_idle: None,
            replica: "test".to_owned(),
        },
        FeedMetrics::new(&registry).unwrap(),
    );
    let mut flow = Flow::new(Meters::new(&registry).unwrap());
    let one = NonZeroUsize::MIN;
    let (out, inlet) = flow.edge("taker", one);
    let (turns, _seen) = mpsc::channel(64);
    let taker = Taker {
        turns,
        finds: false,
    };
    flow.stage(taker, one, inlet, Flow::last_outlet());
    flow.source(feed, out);
    let ended = tokio::time::timeout(Duration::from_secs(20), flow.ended());
    assert_eq!(ended.await.unwrap(), cue_flow::Ended::Died);
    let (_, error) = flow.drain(Duration::from_secs(5)).await.fatal.unwrap();
    assert_eq!(error.downcast_ref::<DatabaseGone>(), Some(&DatabaseGone));
}
