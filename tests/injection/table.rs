//! The table: some rows run at a time, each on a farm that it has to itself, and are printed at the end.
//!
//! A farm that a row leaves as good as new takes the next row. `CUE_TEST_ROWS` selects rows by a part of their
//! names. Invariant: a row that misses an expectation runs again, without any other row beside it; what no busy
//! machine explains fails it at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::farm::{Farm, Setting};
use crate::outcome::{Outcome, printed};
use crate::row::Row;
use crate::run::run;

/// Farms at a time, over all tables of the process.
const TOGETHER: u32 = 6;

/// Rows of a farm.
const ROWS: usize = 5;

/// Tries of a row that misses an expectation.
const TRIES: u32 = 3;

/// Longest time of a row, its farm included.
const LONGEST_ROW: Duration = Duration::from_secs(150);

static PLACES: Semaphore = Semaphore::const_new(TOGETHER as usize);

/// A row and its place in the table.
type Numbered = (usize, Row);

/// Runs all rows, prints what was seen, and fails if an expectation does not hold.
pub async fn check(title: &str, rows: Vec<Row>) {
    #[expect(clippy::disallowed_methods, reason = "a test has no settings")]
    let wanted = std::env::var("CUE_TEST_ROWS").unwrap_or_default();
    let rows = rows.into_iter().filter(|row| row.name.contains(&wanted));
    let mut settings: BTreeMap<Setting, Vec<Numbered>> = BTreeMap::new();
    for row in rows.enumerate() {
        settings.entry(row.1.setting).or_default().push(row);
    }
    let mut running = JoinSet::new();
    for (setting, rows) in settings {
        // A pair is over when its first server is.
        let each = if setting == Setting::Pair { 1 } else { ROWS };
        for some in rows.chunks(each) {
            running.spawn(measured(some.to_vec()));
        }
    }
    let mut seen: Vec<(usize, Outcome)> = running.join_all().await.into_iter().flatten().collect();
    seen.sort_by_key(|(n, _)| *n);
    let outcomes: Vec<_> = seen.into_iter().map(|(_, outcome)| outcome).collect();
    println!("{}", printed(title, &outcomes));
    let failed = outcomes.iter().filter(|outcome| !outcome.faults.is_empty());
    let failed: Vec<_> = failed.map(Outcome::described).collect();
    assert!(failed.is_empty(), "{title}:\n{}", failed.join("\n"));
}

/// The outcomes of rows, each run again alone if a busy machine may have spoilt it.
async fn measured(rows: Vec<Numbered>) -> Vec<(usize, Outcome)> {
    let mut outcomes = {
        let _place = PLACES.acquire().await.unwrap();
        on_farms(rows.clone()).await
    };
    for (n, outcome) in &mut outcomes {
        for tries in 2..=TRIES {
            if !outcome.is_only_missed() {
                break;
            }
            let first = outcome.described();
            let row = rows.iter().filter(|row| row.0 == *n);
            let _alone = PLACES.acquire_many(TOGETHER).await.unwrap();
            let again = on_farms(row.cloned().collect()).await;
            for (_, again) in again {
                println!("again alone: {first}");
                *outcome = Outcome { tries, ..again };
            }
        }
    }
    outcomes
}

/// Runs rows one after the other, on one farm as long as it is as good as new.
async fn on_farms(rows: Vec<Numbered>) -> Vec<(usize, Outcome)> {
    let mut rows = VecDeque::from(rows);
    let (mut farm, mut outcomes) = (None, Vec::new());
    while let Some((n, row)) = rows.pop_front() {
        let name = row.name.clone();
        let used = farm.take();
        let ran = guarded(async move || {
            let farm = match used {
                Some(farm) => farm,
                None => Farm::open(row.setting).await,
            };
            run(&row, farm).await
        });
        match ran.await {
            Ok((outcome, left)) => {
                outcomes.push((n, outcome));
                farm = left;
            }
            Err(why) => outcomes.push((n, broken(&name, why))),
        }
        if !rows.is_empty() {
            continue;
        }
        if let Some(farm) = farm.take()
            && let Err(why) = guarded(async move || farm.close().await).await
        {
            let all: Vec<_> = outcomes.iter().map(|(_, one)| one.name.as_str()).collect();
            let name = format!("end of the farm of: {}", all.join(", "));
            outcomes.push((n, broken(&name, why)));
        }
    }
    outcomes
}

/// Runs something that may panic or hang. The reason, if it did.
async fn guarded<T: Send + 'static>(
    work: impl AsyncFnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let runtime = Handle::current();
    let task = tokio::task::spawn_blocking(move || {
        runtime.block_on(async { tokio::time::timeout(LONGEST_ROW, work()).await })
    });
    match task.await {
        Ok(done) => done.map_err(|_late| format!("not over in {LONGEST_ROW:?}")),
        Err(error) => {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(text.unwrap_or_default())
        }
    }
}

fn broken(name: &str, why: String) -> Outcome {
    let mut outcome = Outcome::of(name);
    outcome.broken(why);
    outcome
}
