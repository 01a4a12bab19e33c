//! A role that loses a right while the program runs, and gets it back.

use std::time::Duration;

use crate::world::Yard;

/// A right, and the relation that it is about.
const RIGHTS: [(&str, &str); 6] = [
    ("INSERT", "proc"),
    ("UPDATE", "frame"),
    ("UPDATE", "layer"),
    ("SELECT", "job_resource"),
    ("SELECT", "host"),
    ("UPDATE", "subscription"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_revoked_is_named_until_it_is_granted_again() {
    let yard = Yard::open().await;
    for (round, (right, table)) in (0..).zip(RIGHTS) {
        yard.run(&format!("REVOKE {right} ON {table} FROM {}", yard.role))
            .await;
        let job = format!("job{round}");
        yard.job(&job).await;
        let (body, after) = yard.becomes(503).await;
        assert!(after < Duration::from_secs(10), "{table}: {after:?}");
        let denied = format!("permission denied for table {table}");
        assert!(body.contains(&denied) && body.contains("42501"), "{body}");
        let check = yard.check().await;
        let named = format!("lacks {right} on {table}");
        assert!(check.contains(&named), "{named} is missing in\n{check}");
        // `why` needs to read what it is asked about.
        if right != "SELECT" {
            let why = yard.why(&job).await;
            assert_eq!(why["fault"], "booking_fails", "{table}: {why}");
        }
        yard.run(&format!("GRANT {right} ON {table} TO {}", yard.role))
            .await;
        yard.books_soon(round + 1).await;
    }
    yard.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_without_work_stays_unready_until_the_right_is_there() {
    let yard = Yard::open().await;
    yard.job("shot").await;
    yard.run(&format!("REVOKE INSERT ON proc FROM {}", yard.role))
        .await;
    // It may have been booked before.
    yard.job("late").await;
    yard.becomes(503).await;
    yard.run("UPDATE job SET b_paused = true").await;
    // Longer than a failure is remembered that nobody tests.
    for _ in 0..35 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(yard.ready().await.0, 503);
    }
    yard.run(&format!("GRANT INSERT ON proc TO {}", yard.role))
        .await;
    let (_, after) = yard.becomes(200).await;
    assert!(after < Duration::from_secs(5), "{after:?}");
    let log = yard.close().await;
    assert_eq!(log.matches("nothing can be booked").count(), 1, "{log}");
}
