//! Foreign actions: each leaves the farm sound, and each is refused where Cuebot would be refused.

use cue_domain::ids::{AllocId, FolderId, FrameId, JobId, ShowId};
use cue_domain::units::{Centicores, Resources};
use cue_simfarm::completion::CompleterSettings;
use cue_simfarm::foreign::{
    Booking, book_one_frame_like_cuebot, delete_host, eat_frame, host_down, kill_job, lock_host,
    pause_job, retry_frame, set_folder_max_cores, set_job_max_cores, set_subscription_burst,
};
use cue_simfarm::schema::SchemaVersion;

use crate::farm::{Farm, ONE};

impl Farm {
    async fn waiting_frame(&self) -> FrameId {
        let id: String = sqlx::query_scalar(
            "SELECT pk_frame FROM frame WHERE str_state = 'WAITING' ORDER BY pk_job, pk_layer, pk_frame LIMIT 1",
        )
        .fetch_one(self.pool())
        .await
        .unwrap();
        id.into()
    }

    /// Fails the test unless the next waiting frame is booked.
    async fn books(&self) {
        let outcome = self.try_to_book().await;
        assert!(matches!(outcome, Booking::Booked(_)), "{outcome:?}");
    }

    async fn try_to_book(&self) -> Booking {
        let frame = self.waiting_frame().await;
        book_one_frame_like_cuebot(self.pool(), &frame, &self.hosts[0], ONE)
            .await
            .unwrap()
    }

    async fn text(&self, query: &'static str) -> String {
        sqlx::query_scalar(query)
            .fetch_one(self.pool())
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_booking_leaves_the_rows_that_the_contract_names() {
    let farm = Farm::at(SchemaVersion::V47).await;
    let run = farm.book(1, 0).await.remove(0);
    for (query, expected) in [
        (
            "SELECT count(*) FROM frame WHERE str_state = 'RUNNING' AND int_version = 1 AND int_retries = 0",
            1,
        ),
        ("SELECT sum(int_running_count)::int8 FROM job_stat", 1),
        (
            "SELECT count(*) FROM layer_stat WHERE ts_started IS NOT NULL",
            1,
        ),
        (
            "SELECT count(*) FROM frame_history WHERE int_ts_stopped = 0 AND pk_alloc IS NOT NULL",
            1,
        ),
        ("SELECT int_mem_used FROM proc", 262_144),
        (
            "SELECT sum(int_cores - int_cores_idle)::int8 FROM host",
            100,
        ),
        ("SELECT sum(int_cores)::int8 FROM subscription", 100),
        ("SELECT sum(int_cores)::int8 FROM layer_resource", 100),
        ("SELECT sum(int_cores)::int8 FROM job_resource", 100),
        ("SELECT sum(int_cores)::int8 FROM folder_resource", 100),
        ("SELECT sum(int_cores)::int8 FROM point", 100),
    ] {
        assert_eq!(farm.number(query).await, expected, "{query}");
    }
    assert_eq!(
        farm.text("SELECT pk_proc FROM proc").await,
        run.proc.as_str()
    );
    farm.is_sound().await;
}

#[tokio::test]
async fn a_retry_is_charged_at_the_start_after_a_real_failure() {
    let farm = Farm::new().await;
    let run = farm.book(1, 0).await.remove(0);
    farm.complete(vec![run.report(1, 0)], CompleterSettings::default())
        .await;
    farm.book(1, 0).await;
    assert_eq!(farm.number("SELECT max(int_retries) FROM frame").await, 1);
}

#[tokio::test]
async fn a_frame_that_somebody_holds_or_has_is_taken() {
    let farm = Farm::new().await;
    let frame = farm.waiting_frame().await;
    let mut holder = farm.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM frame WHERE pk_frame = $1 FOR UPDATE")
        .bind(frame.as_str())
        .execute(&mut *holder)
        .await
        .unwrap();
    assert_eq!(farm.try_to_book().await, Booking::FrameTaken);
    holder.rollback().await.unwrap();
    farm.run("UPDATE limit_record SET int_max_value = 0").await;
    assert_eq!(
        farm.try_to_book().await,
        Booking::FrameTaken,
        "the limit has no room"
    );
    farm.run("UPDATE limit_record SET int_max_value = 1").await;
    farm.books().await;
    let again = book_one_frame_like_cuebot(farm.pool(), &frame, &farm.hosts[0], ONE)
        .await
        .unwrap();
    assert_eq!(again, Booking::FrameTaken, "it runs");
    farm.is_sound().await;
}

#[tokio::test]
async fn a_layer_with_a_closed_gate_starts_nothing() {
    let farm = Farm::new().await;
    farm.run("UPDATE layer SET ts_start_after = current_timestamp + interval '1 hour'")
        .await;
    assert_eq!(farm.try_to_book().await, Booking::FrameTaken);
    farm.run("UPDATE layer SET ts_start_after = current_timestamp - interval '1 hour'")
        .await;
    farm.books().await;
}

#[tokio::test]
async fn caps_and_hosts_without_room_refuse_a_booking() {
    let farm = Farm::new().await;
    let (show, alloc) = (
        ShowId::from(farm.text("SELECT pk_show FROM show").await),
        farm.text("SELECT pk_alloc FROM host LIMIT 1").await,
    );
    let alloc = AllocId::from(alloc);
    let job = JobId::from(farm.text("SELECT min(pk_job) FROM job").await);
    set_job_max_cores(farm.pool(), &job, Centicores(99))
        .await
        .unwrap();
    assert_eq!(
        farm.try_to_book().await,
        Booking::Refused("job has exceeded max cores".to_owned())
    );
    set_job_max_cores(farm.pool(), &job, Centicores(1_000))
        .await
        .unwrap();
    set_subscription_burst(farm.pool(), &show, &alloc, Centicores(0))
        .await
        .unwrap();
    assert_eq!(
        farm.try_to_book().await,
        Booking::Refused("subscription has exceeded burst size".to_owned())
    );
    set_subscription_burst(farm.pool(), &show, &alloc, Centicores(1_000))
        .await
        .unwrap();
    let huge = Resources {
        cores: Centicores::cores(65),
        ..ONE
    };
    let frame = farm.waiting_frame().await;
    let booked = book_one_frame_like_cuebot(farm.pool(), &frame, &farm.hosts[0], huge)
        .await
        .unwrap();
    assert_eq!(
        booked,
        Booking::Refused("unable to allocate additional core units".to_owned())
    );
    farm.books().await;
    farm.is_sound().await;
}

#[tokio::test]
async fn caps_and_flags_are_written_where_the_searches_read_them() {
    let farm = Farm::new().await;
    let folder = FolderId::from(farm.text("SELECT min(pk_folder) FROM job").await);
    let job = JobId::from(farm.text("SELECT min(pk_job) FROM job").await);
    set_folder_max_cores(farm.pool(), &folder, Some(Centicores(4_200)))
        .await
        .unwrap();
    assert_eq!(
        farm.number("SELECT count(*) FROM folder_resource WHERE int_max_cores = 4200")
            .await,
        1
    );
    set_folder_max_cores(farm.pool(), &folder, None)
        .await
        .unwrap();
    assert_eq!(
        farm.number("SELECT count(*) FROM folder_resource WHERE int_max_cores = 4200")
            .await,
        0
    );
    pause_job(farm.pool(), &job, true).await.unwrap();
    assert_eq!(
        farm.number("SELECT count(*) FROM job WHERE b_paused").await,
        1
    );
    pause_job(farm.pool(), &job, false).await.unwrap();
    assert_eq!(
        farm.number("SELECT count(*) FROM job WHERE b_paused").await,
        0
    );
    lock_host(farm.pool(), &farm.hosts[0], true).await.unwrap();
    assert_eq!(
        farm.number("SELECT count(*) FROM host WHERE str_lock_state = 'LOCKED'")
            .await,
        1
    );
    lock_host(farm.pool(), &farm.hosts[0], false).await.unwrap();
    assert_eq!(
        farm.number("SELECT count(*) FROM host WHERE str_lock_state = 'OPEN'")
            .await,
        2
    );
}

#[tokio::test]
async fn a_killed_job_is_finished_and_holds_nothing() {
    let farm = Farm::new().await;
    let runs = farm.book(3, 0).await;
    let job = JobId::from(runs[0].job.as_str());
    let mut evicted = kill_job(farm.pool(), &job).await.unwrap();
    evicted.sort_by(|a, b| a.frame.cmp(&b.frame));
    let mut expected: Vec<_> = runs
        .iter()
        .map(|run| (run.frame.clone(), run.proc.clone()))
        .collect();
    expected.sort();
    assert_eq!(
        evicted
            .iter()
            .map(|e| (e.frame.clone(), e.proc.clone()))
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        farm.number("SELECT count(*) FROM job WHERE str_state = 'FINISHED'")
            .await,
        1
    );
    assert_eq!(farm.number("SELECT count(*) FROM proc").await, 0);
    assert_eq!(
        farm.frame(&runs[0].frame).await,
        ("WAITING".to_owned(), 500)
    );
    // RQD reports the killed frames in its own time; by then there is nothing left to end.
    let stats = farm
        .complete(
            runs.iter().map(|run| run.report(1, 15)).collect(),
            CompleterSettings::default(),
        )
        .await;
    assert_eq!((stats.completed, stats.stale), (0, 3));
    farm.is_sound().await;
}

#[tokio::test]
async fn frames_are_eaten_and_retried_in_whatever_state_they_are() {
    let farm = Farm::new().await;
    let runs = farm.book(3, 0).await;
    farm.complete(vec![runs[2].report(0, 0)], CompleterSettings::default())
        .await;
    let eaten = eat_frame(farm.pool(), &runs[0].frame)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (eaten.frame, eaten.proc),
        (runs[0].frame.clone(), runs[0].proc.clone())
    );
    assert_eq!(farm.frame(&runs[0].frame).await, ("EATEN".to_owned(), 506));
    let retried = retry_frame(farm.pool(), &runs[1].frame)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(retried.proc, runs[1].proc);
    assert_eq!(
        farm.frame(&runs[1].frame).await,
        ("WAITING".to_owned(), 500)
    );
    assert_eq!(eat_frame(farm.pool(), &runs[2].frame).await.unwrap(), None);
    assert_eq!(
        farm.frame(&runs[2].frame).await.0,
        "SUCCEEDED",
        "what succeeded cannot be eaten"
    );
    farm.run("UPDATE job SET str_state = 'FINISHED'").await;
    assert_eq!(
        retry_frame(farm.pool(), &runs[2].frame).await.unwrap(),
        None
    );
    assert_eq!(farm.frame(&runs[2].frame).await.0, "WAITING");
    assert_eq!(
        farm.number("SELECT count(*) FROM job WHERE str_state = 'PENDING'")
            .await,
        1
    );
    farm.is_sound().await;
}

#[tokio::test]
async fn a_host_that_goes_down_frees_its_frames_and_can_be_deleted() {
    let farm = Farm::new().await;
    let lost = farm.book(3, 0).await;
    let kept = farm.book(2, 1).await;
    let evicted = host_down(farm.pool(), &farm.hosts[0]).await.unwrap();
    assert_eq!(evicted.len(), 3);
    assert_eq!(
        farm.frame(&lost[0].frame).await,
        ("WAITING".to_owned(), 399)
    );
    assert_eq!(
        farm.number("SELECT count(*) FROM host_stat WHERE str_state = 'DOWN'")
            .await,
        1
    );
    farm.is_sound().await;
    let evicted = delete_host(farm.pool(), &farm.hosts[1]).await.unwrap();
    assert_eq!(evicted.len(), 2);
    assert_eq!(farm.frame(&kept[0].frame).await.0, "WAITING");
    assert_eq!(farm.number("SELECT count(*) FROM host").await, 1);
    farm.is_sound().await;
}
