//! Hosts that report less than their ledgers promise, ledgers and counters that are wrong, hosts that are
//! lent, and a flag that nobody heeds.

use crate::world::{change, farm, sentence};

const RIGHT: &str = "`cue-scheduler check` says how to set";

#[tokio::test]
async fn a_host_without_free_memory_and_one_that_is_lent_say_so() {
    let (db, farm) = farm().await;
    let job = farm.frames("shot", 1, |_| {}).await.unwrap();
    let low = "UPDATE host_stat SET int_mem_free = 300000 WHERE pk_host = (SELECT pk_host FROM host WHERE str_name = $1)";
    change(&db, low, "big").await;
    assert_eq!(
        sentence(&db, "shot").await,
        "job shot waits because the only host with room by its bookings reports less than 0.5 GiB of free memory."
    );
    let lend = "INSERT INTO host_local (pk_host_local, pk_job, pk_host, str_type)
                SELECT 'local', $1, pk_host, 'JOB_PARTITION' FROM host";
    change(&db, lend, &job.id).await;
    assert_eq!(
        sentence(&db, "shot").await,
        "job shot cannot run because no host that is up and open has the tag general; \
         1 host has the tag: 1 is lent to a job by its user (local render)."
    );
}

#[tokio::test]
async fn a_ledger_that_starves_a_job_is_named_with_what_its_procs_leave() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let other = farm.host("other", |host| host.tags = Vec::new());
    other.await.unwrap();
    // The other one is wrong as well, and no frame of the job could run there.
    let wrong = "UPDATE host SET int_cores_idle = 0 WHERE str_name = $1";
    change(&db, wrong, "other").await;
    change(&db, wrong, "big").await;
    let answer = sentence(&db, "shot").await;
    let wanted = "job shot waits because the books of host big are wrong: they have 0 cores and ";
    assert!(answer.starts_with(wanted), "{answer}");
    assert!(
        answer.contains("what runs there leaves 32 cores"),
        "{answer}"
    );
    assert!(
        answer.ends_with(&format!("; {RIGHT} them right.")),
        "{answer}"
    );
}

#[tokio::test]
async fn counters_that_hide_frames_or_promise_some_are_named() {
    let (db, farm) = farm().await;
    let job = farm.frames("shot", 5, |_| {}).await.unwrap();
    let of = "does not run because the counter of waiting frames of";
    let set = "UPDATE layer_stat SET int_waiting_count = 0 WHERE pk_job = $1";
    change(&db, set, &job.id).await;
    let wanted =
        format!("{of} layer render is wrong: it says 0, and 5 frames wait; {RIGHT} it right.");
    assert_eq!(sentence(&db, "shot").await, format!("job shot {wanted}"));
    assert_eq!(
        sentence(&db, "shot/0002-render").await,
        format!("frame 0002-render of job shot {wanted}")
    );
    let set = "UPDATE layer_stat SET int_waiting_count = 5 WHERE pk_job = $1";
    change(&db, set, &job.id).await;
    let set = "UPDATE job_stat SET int_waiting_count = 0 WHERE pk_job = $1";
    change(&db, set, &job.id).await;
    assert_eq!(
        sentence(&db, "shot/render").await,
        format!(
            "layer render of job shot {of} its job is wrong: it says 0, and 5 frames wait; {RIGHT} it right."
        )
    );
}

#[tokio::test]
async fn booking_that_is_switched_off_is_said_to_be_unheeded() {
    let (db, farm) = farm().await;
    farm.frames("shot", 1, |_| {}).await.unwrap();
    let off = "UPDATE show SET b_booking_enabled = false WHERE pk_show = $1";
    change(&db, off, &farm.show.id).await;
    assert_eq!(
        sentence(&db, "shot").await,
        "job shot can run now on 1 host, and no frame of show alpha is ahead of it. \
         Booking of show alpha is switched off, which neither Cuebot nor this scheduler heeds."
    );
}
