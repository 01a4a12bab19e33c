//! Jobs that move to another folder or department meanwhile: bookings and undos are charged where the job
//! is, however the two meet.

#![expect(
    clippy::disallowed_methods,
    clippy::large_futures,
    clippy::too_many_lines,
    reason = "movers are joined by their tests, each of which sends them their orders"
)]

use std::sync::Arc;
use std::time::Duration;

use cue_simfarm::waiting::{until, within};
use cue_store::{ErrorClass, StoreError};
use sqlx::PgPool;

use crate::yard::{Yard, open, refs, unlaunched, want};

const MOVE: &str = "UPDATE job SET pk_folder = $2, pk_dept = $3 WHERE pk_job = $1";

async fn move_job(pool: &PgPool, job: &str, (folder, dept): (&str, &str)) {
    let moved = sqlx::query(MOVE).bind(job).bind(folder).bind(dept);
    assert_eq!(moved.execute(pool).await.unwrap().rows_affected(), 1);
}

/// Another folder, and another department with a point of the show.
async fn elsewhere(yard: &Yard) -> (String, String) {
    let folder = yard.farm.folder("elsewhere", -1, -1).await.unwrap();
    let pool = &yard.db.pool;
    let dept =
        "INSERT INTO dept (pk_dept, str_name, b_default) VALUES ('elsewhere', 'elsewhere', false)";
    sqlx::query(dept).execute(pool).await.unwrap();
    let point =
        "INSERT INTO point (pk_point, pk_dept, pk_show) VALUES ('elsewhere', 'elsewhere', $1)";
    let point = sqlx::query(point).bind(&*yard.farm.show.id);
    point.execute(pool).await.unwrap();
    (folder, "elsewhere".to_owned())
}

async fn a_session_waits(pool: &PgPool) {
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("the move to wait", async || {
        let count: i64 = sqlx::query_scalar(waiting).fetch_one(pool).await.unwrap();
        count >= 1
    })
    .await;
}

fn gives_way(error: &StoreError) -> bool {
    matches!(error.class(), ErrorClass::Held | ErrorClass::Conflict)
}

#[derive(Clone, Copy, Debug)]
enum After {
    Look,
    Start,
    Counters,
    Charge,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_move_during_a_booking_takes_the_booking_along() {
    for after in [After::Look, After::Start, After::Counters, After::Charge] {
        let yard = Yard::new().await;
        let (host, job) = (yard.host("node").await, yard.job("a", 3).await);
        let (folder, dept) = elsewhere(&yard).await;
        let (mut held, locked) = open(&yard.store, &want(&job, 3)).await;
        let rows = yard.rows(&job, &locked, &host);
        let moving = || {
            let (pool, id) = (yard.db.pool.clone(), job.id.clone());
            let to = (folder.clone(), dept.clone());
            tokio::spawn(async move { move_job(&pool, &id, (&to.0, &to.1)).await })
        };
        let seen = held.look(&refs(&rows)).await.unwrap();
        let mut mover = None;
        if matches!(after, After::Look) {
            mover = Some(moving());
            a_session_waits(&yard.db.pool).await;
        }
        assert_eq!(
            held.start(&refs(&rows)).await.unwrap().frames.len(),
            3,
            "{after:?}"
        );
        if matches!(after, After::Start) {
            mover = Some(moving());
            a_session_waits(&yard.db.pool).await;
        }
        held.counters(&refs(&rows), seen.hosts).await.unwrap();
        if matches!(after, After::Counters) {
            mover = Some(moving());
            a_session_waits(&yard.db.pool).await;
        }
        held.charge(rows.iter()).await.unwrap();
        if matches!(after, After::Charge) {
            mover = Some(moving());
            a_session_waits(&yard.db.pool).await;
        }
        held.commit(&refs(&rows)).await.unwrap();
        within("the move", mover.unwrap()).await.unwrap();
        let charged: i64 = sqlx::query_scalar(
            "SELECT int_cores::bigint FROM folder_resource WHERE pk_folder = $1",
        )
        .bind(&folder)
        .fetch_one(&yard.db.pool)
        .await
        .unwrap();
        assert_eq!(charged, 300, "{after:?}");
        yard.assert_sound().await;
    }
}

/// A change that is under way is not waited for: the job is left for later.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_that_is_being_changed_is_passed_over_by_bookings_and_undos() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let (moving, other) = (yard.job("a", 3).await, yard.job("b", 1).await);
    let booked = [
        yard.book(&moving, 1, &host).await,
        yard.book(&other, 1, &host).await,
    ]
    .concat();
    let lock = "SELECT 1 FROM job WHERE pk_job = $1 FOR NO KEY UPDATE";
    let foreign = yard.holding(lock, &moving.id).await;

    let (mut held, locked) = open(&yard.store, &want(&moving, 2)).await;
    let rows = yard.rows(&moving, &locked, &host);
    within("a look that waits for nobody", held.look(&refs(&rows)))
        .await
        .unwrap();
    assert!(!held.has_job(&moving.id.as_str().into()));
    held.release().await.unwrap();

    let undone = within("an undo", yard.store.undo(&booked)).await.unwrap();
    assert!(undone.procs.contains(&booked[1].proc), "the other job's");
    assert!(undone.postponed.contains(&booked[0].proc));
    foreign.rollback().await.unwrap();
    let undone = yard.store.undo(&booked).await.unwrap();
    assert_eq!((undone.procs.len(), undone.postponed.len()), (1, 0));
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn bookings_undos_and_moves_at_once_leave_every_counter_exact() {
    let yard = Yard::new().await;
    let (folder, dept) = elsewhere(&yard).await;
    let place = yard.farm.place();
    let homes = [(place.folder.clone(), place.dept.clone()), (folder, dept)];
    let (mut jobs, mut hosts) = (Vec::new(), Vec::new());
    for n in 0..4 {
        jobs.push(yard.job(&format!("job{n}"), 2).await);
        hosts.push(yard.host(&format!("node{n}")).await);
    }
    let stop = tokio::time::Instant::now() + Duration::from_secs(4);
    let goes_on = || tokio::time::Instant::now() < stop;
    let mover = |job: usize| {
        let (yard, homes, id) = (&yard, &homes, &jobs[job].id);
        async move {
            let mut moves = 0;
            while goes_on() {
                let (folder, dept) = &homes[moves % 2];
                // Two moves in opposite directions can want each other's rows.
                let moved = sqlx::query(MOVE).bind(id).bind(folder).bind(dept);
                moves += usize::from(moved.execute(&yard.db.pool).await.is_ok());
            }
            moves
        }
    };
    let booker = |n: usize| {
        let (yard, homes, job, host) = (&yard, &homes, &jobs[n], &hosts[n]);
        async move {
            let mut runs = 0;
            while goes_on() {
                let Some((mut held, locked)) =
                    yard.store.lock_layers(&want(job, 2)).await.unwrap().batch
                else {
                    continue;
                };
                // The job is there now, or was a moment ago.
                let mut rows = yard.rows(job, &locked, host);
                let (folder, dept) = &homes[runs % 2];
                for row in &mut rows {
                    let layer = Arc::make_mut(&mut row.layer);
                    (layer.folder, layer.dept) = (folder.as_str().into(), dept.as_str().into());
                    row.proc = format!("{}-{runs}", &row.frame.id.as_str()[..20]).into();
                }
                runs += 1;
                let ledger = held.look(&refs(&rows)).await.unwrap();
                if !held.has_job(&job.id.as_str().into()) {
                    continue;
                }
                let started = held.start(&refs(&rows)).await.unwrap();
                rows.retain(|row| started.frames.contains_key(&row.frame.id));
                if rows.is_empty() {
                    continue;
                }
                // A move locks points before folders, so the two may want each other's rows: one gives way.
                if let Err(error) = held.counters(&refs(&rows), ledger.hosts).await {
                    assert!(gives_way(&error), "{error:?}");
                    held.release().await.unwrap();
                    continue;
                }
                held.charge(rows.iter()).await.unwrap();
                held.commit(&refs(&rows)).await.unwrap();
                let booked = unlaunched(&rows, &started);
                loop {
                    match yard.store.undo(&booked).await {
                        Ok(undone) if undone.postponed.is_empty() => break,
                        Ok(_) => {}
                        Err(error) => assert!(gives_way(&error), "{error:?}"),
                    }
                }
            }
            runs
        }
    };
    let all = tokio::join!(
        mover(0),
        mover(1),
        mover(2),
        mover(3),
        booker(0),
        booker(1),
        booker(2),
        booker(3)
    );
    println!("{all:?}");
    yard.assert_sound().await;
}
