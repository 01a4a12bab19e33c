//! Updates of frames: rules of state, counts by state, and the history of runs.

use cue_simfarm::schema::SchemaVersion::V47;

use crate::farm::Farm;

const COUNTS: &str = "
    select l.int_waiting_count || '/' || j.int_waiting_count,
           l.int_running_count || '/' || j.int_running_count,
           l.int_succeeded_count || '/' || j.int_succeeded_count,
           l.int_depend_count || '/' || j.int_depend_count
    from layer_stat l join job_stat j using (pk_job) where pk_layer = 'l1'";

pub(crate) const BOOK_TWO: &str = "
    update frame
    set str_state = 'RUNNING', str_host = 'h.name', int_cores = 200, int_mem_reserved = 7, int_gpus = 1,
        int_gpu_mem_reserved = 3, ts_started = '2020-01-01 00:00:00+00', int_version = int_version + 1
    where pk_frame in ('x1', 'x2')";

#[tokio::test]
async fn a_booking_counts_on_layer_and_job_and_opens_history() {
    let farm = Farm::at(V47).await;
    farm.run(BOOK_TWO).await;
    farm.shows(COUNTS, "4/4 2/2 0/0 0/0").await;
    farm.shows("select pk_frame, pk_layer, pk_job, pk_alloc, str_name, str_state, str_host, int_cores::text,
                    int_mem_reserved::text, int_gpus::text, int_gpu_mem_reserved::text,
                    int_exit_status::text, int_ts_stopped::text,
                    (abs(int_ts_started - extract(epoch from now())) < 60)::text,
                    (dt_last_modified = current_date)::text
             from frame_history where pk_frame = 'x1'", "x1 l1 j a x1 RUNNING h.name 200 7 1 3 -1 0 true true").await;
    assert_eq!(
        farm.one::<i64>("select count(*) from frame_history").await,
        2
    );
}

#[tokio::test]
async fn a_layer_keeps_its_first_start_and_its_last_stop() {
    let farm = Farm::new().await;
    farm.run(BOOK_TWO).await;
    farm.run("update frame set str_state = 'RUNNING', ts_started = now() where pk_frame = 'x3'")
        .await;
    farm.run("update frame set str_state = 'DEAD', ts_stopped = '2020-02-01 00:00:00+00' where pk_frame = 'x1'").await;
    let times = "select (ts_started = '2020-01-01 00:00:00+00')::text, (ts_stopped = '2020-02-01 00:00:00+00')::text
                 from layer_stat where pk_layer = 'l1'";
    farm.shows(times, "true true").await;
    farm.run("update frame set str_state = 'DEAD' where pk_frame = 'x2'")
        .await;
    let stopped =
        "select ts_stopped > now() - interval '1 hour' from layer_stat where pk_layer = 'l1'";
    assert!(farm.one::<bool>(stopped).await);
}

#[tokio::test]
async fn a_completion_closes_the_open_history_row_only() {
    let farm = Farm::at(V47).await;
    farm.run(BOOK_TWO).await;
    farm.run("update frame set str_state = 'WAITING', int_exit_status = 1 where pk_frame = 'x1'")
        .await;
    farm.run("update frame set str_state = 'RUNNING', str_host = 'nowhere' where pk_frame = 'x1'")
        .await;
    farm.run(
        "update frame set str_state = 'SUCCEEDED', int_exit_status = 0, int_mem_max_used = 9, int_gpu_mem_max_used = 4
         where pk_frame = 'x1'",
    )
    .await;
    let runs = "
        select string_agg(concat_ws(' ', str_host, coalesce(pk_alloc, '-'), str_state, int_exit_status, int_mem_max_used,
                                    int_gpu_mem_max_used, int_checkpoint_count, int_ts_stopped > 0), ', ' order by str_host)
        from frame_history where pk_frame = 'x1'";
    farm.shows(
        runs,
        "h.name a RUNNING 1 0 0 0 t, nowhere - RUNNING 0 9 4 0 t",
    )
    .await;
    farm.shows(COUNTS, "4/4 1/1 1/1 0/0").await;
}

#[tokio::test]
async fn a_launch_that_failed_leaves_no_history() {
    let farm = Farm::at(V47).await;
    farm.run(BOOK_TWO).await;
    farm.run("update frame set str_state = 'WAITING', int_exit_status = 299 where pk_frame = 'x1'")
        .await;
    farm.shows("select pk_frame from frame_history", "x2").await;
    farm.shows(COUNTS, "5/5 1/1 0/0 0/0").await;
}

#[tokio::test]
async fn an_update_that_keeps_the_state_counts_nothing() {
    let farm = Farm::at(V47).await;
    farm.run(BOOK_TWO).await;
    farm.run("update frame set str_state = 'RUNNING', int_cores = 5 where pk_frame = 'x1'")
        .await;
    farm.shows(COUNTS, "4/4 2/2 0/0 0/0").await;
    assert_eq!(
        farm.one::<i64>("select count(*) from frame_history").await,
        2
    );
}

#[tokio::test]
async fn a_config_row_switches_history_off_and_leaves_the_counts_on() {
    let farm = Farm::new().await;
    farm.run("insert into config (pk_config, str_key) values ('c', 'DISABLE_HISTORY')")
        .await;
    farm.run(BOOK_TWO).await;
    assert_eq!(
        farm.one::<i64>("select count(*) from frame_history").await,
        0
    );
    farm.shows(COUNTS, "4/4 2/2 0/0 0/0").await;
}

#[tokio::test]
async fn a_job_that_was_born_without_history_cannot_be_booked_with_history_on() {
    let farm = Farm::at(V47).await;
    farm.run("delete from job_history").await;
    let (code, message) = farm.refused(BOOK_TWO).await;
    assert_eq!(code, "23503");
    assert!(message.contains("c_frame_history_pk_job"), "{message}");
}

#[tokio::test]
async fn a_frame_that_can_resume_goes_to_checkpoint_instead_of_waiting() {
    let farm = Farm::at(V47).await;
    farm.run(BOOK_TWO).await;
    farm.run("update frame set str_checkpoint_state = 'ENABLED' where pk_frame = 'x1'")
        .await;
    farm.run("update frame set str_state = 'WAITING', int_exit_status = 300 where pk_frame in ('x1', 'x2')").await;
    farm.shows("select string_agg(str_state, ',' order by pk_frame) from frame where pk_frame in ('x1', 'x2')", "CHECKPOINT,WAITING").await;
    assert_eq!(
        farm.one::<i32>("select int_checkpoint_count from frame_history where pk_frame = 'x1'")
            .await,
        1
    );
    assert_eq!(
        farm.one::<i64>("select int_checkpoint_count from job_stat")
            .await,
        1
    );
}

#[tokio::test]
async fn what_succeeded_cannot_be_eaten() {
    let farm = Farm::new().await;
    farm.run("update frame set str_state = 'SUCCEEDED' where pk_frame = 'x1'")
        .await;
    farm.run("update frame set str_state = 'EATEN' where pk_frame in ('x1', 'x2')")
        .await;
    farm.shows("select string_agg(str_state, ',' order by pk_frame) from frame where pk_frame in ('x1', 'x2')", "SUCCEEDED,EATEN").await;
    farm.shows(COUNTS, "4/4 0/0 1/1 0/0").await;
}

#[tokio::test]
async fn depends_take_a_frame_out_of_reach_and_give_it_back() {
    let farm = Farm::new().await;
    let frame = "select str_state, int_version::text, (ts_updated is not null)::text from frame where pk_frame = 'x1'";
    farm.run("update frame set int_depend_count = 1 where pk_frame = 'x1'")
        .await;
    farm.shows(frame, "DEPEND 1 true").await;
    farm.shows(COUNTS, "5/5 0/0 0/0 1/1").await;
    // The old eligibility must not survive: the wait for other frames was no wait for a host.
    farm.run("update frame set ts_eligible = '2020-01-01' where pk_frame = 'x1'")
        .await;
    farm.run("update frame set int_depend_count = 0 where pk_frame = 'x1'")
        .await;
    farm.shows(frame, "WAITING 2 true").await;
    assert!(
        farm.one::<bool>(
            "select ts_eligible > now() - interval '1 hour' from frame where pk_frame = 'x1'"
        )
        .await
    );
    farm.shows(COUNTS, "6/6 0/0 0/0 0/0").await;
}

#[tokio::test]
async fn any_update_of_a_frame_that_should_depend_makes_it_depend() {
    let farm = Farm::new().await;
    farm.run(
        "insert into frame (pk_frame, pk_layer, pk_job, str_name, str_state, int_number, int_layer_order, int_depend_count)
         values ('y', 'l1', 'j', 'y', 'WAITING', 7, 1, 2), ('z', 'l1', 'j', 'z', 'EATEN', 8, 1, 2)",
    )
    .await;
    farm.run("update frame set int_mem_used = 1 where pk_frame in ('y', 'z')")
        .await;
    farm.shows("select string_agg(str_state, ',' order by pk_frame) from frame where pk_frame in ('y', 'z')", "DEPEND,EATEN").await;
}

#[tokio::test]
async fn frames_are_stamped_eligible_when_they_begin_to_wait() {
    let farm = Farm::new().await;
    assert!(
        farm.one::<bool>("select bool_and(ts_eligible is not null) from frame")
            .await
    );
    farm.run(
        "insert into frame (pk_frame, pk_layer, pk_job, str_name, str_state, int_number, int_layer_order)
         values ('y', 'l1', 'j', 'y', 'SETUP', 7, 1)",
    )
    .await;
    assert!(
        farm.one::<bool>("select ts_eligible is null from frame where pk_frame = 'y'")
            .await
    );
    farm.run("update frame set str_state = 'WAITING' where pk_frame = 'y'")
        .await;
    assert!(
        farm.one::<bool>("select ts_eligible is not null from frame where pk_frame = 'y'")
            .await
    );
    assert_eq!(
        farm.text(COUNTS).await,
        "6/6 0/0 0/0 0/0",
        "leaving SETUP counts nothing"
    );
}

#[tokio::test]
async fn a_state_without_a_counter_is_an_error() {
    let farm = Farm::new().await;
    let (code, message) = farm
        .refused("update frame set str_state = 'SETUP' where pk_frame = 'x1'")
        .await;
    assert_eq!(code, "42703");
    assert!(message.contains("int_setup_count"), "{message}");
}
