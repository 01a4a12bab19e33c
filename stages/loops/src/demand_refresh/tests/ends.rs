//! Ends of the feed by itself: a farm without work, where that is asked for, and a database that stays
//! away.

use cue_cluster_feed::DatabaseGone;
use cue_store::BreakerSettings;

use super::*;

/// A farm without work ends after this many idle readings.
async fn idles_out(every: Duration, readings: u64) {
    let mut farm = Farm::start(every, |settings| {
        settings.feed.exit_when_idle = Some(readings)
    })
    .await;
    let ended = tokio::time::timeout(Duration::from_secs(10), farm.flow.ended());
    assert_eq!(ended.await.unwrap(), cue_flow::Ended::Finished);
    farm.end().await;
}

#[tokio::test]
async fn readings_without_work_end_a_service_that_must_end_when_idle() {
    idles_out(Duration::from_millis(5), 10).await;
    idles_out(Duration::from_millis(250), 1).await;
}

#[tokio::test]
async fn a_database_that_stays_away_ends_the_feed_with_its_own_error() {
    let db = TestDb::fresh().await;
    let settings = StoreSettings {
        pool: 1,
        statement_timeout: Duration::from_secs(5),
        breaker: BreakerSettings {
            failures: 1,
            first: Duration::from_millis(1),
            longest: Duration::from_millis(2),
            give_up_after: Some(3),
        },
        ..StoreSettings::new(&db.url)
    };
    let registry = Registry::new();
    let store = Store::connect(&settings, &registry).await.unwrap();
    // From here on nobody can connect, and who is connected is sent away.
    db.close().await.unwrap();
    let settings = super::settings(Duration::from_millis(1));
    let (feed, refresh) = make(&store, settings, Arc::default(), &registry);
    let mut flow = Flow::new(Meters::new(&registry).unwrap());
    let (turns, _seen) = mpsc::channel(64);
    let taker = Taker {
        turns,
        finds: false,
    };
    // The readings of the demand find that it is away.
    flow.line(feed).end(taker, ONE);
    flow.tick(refresh);
    let ended = tokio::time::timeout(Duration::from_secs(20), flow.ended());
    assert_eq!(ended.await.unwrap(), cue_flow::Ended::Died);
    let (_, error) = flow.drain(Duration::from_secs(5)).await.fatal.unwrap();
    assert_eq!(error.downcast_ref::<DatabaseGone>(), Some(&DatabaseGone));
}
