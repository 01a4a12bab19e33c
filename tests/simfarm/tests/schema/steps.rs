//! Changes of the newer versions of the schema, on fresh databases and on farms at work.

use cue_simfarm::schema::SchemaVersion::{V47, V48, V49, V50, V51};

use crate::farm::Farm;
use crate::frames::BOOK_TWO;

const EVENTS: &str = "
    select string_agg(concat_ws(' ', pk_frame, str_event, pk_alloc, str_host, int_cores, int_exit_status, int_checkpoint_count),
                      ', ' order by id)
    from frame_history_queue";

const HISTORY: &str = "select count(*) from frame_history";

#[tokio::test]
async fn layers_and_services_may_be_detected_as_stuck() {
    let columns = "select count(*) from information_schema.columns
                   where column_name = 'int_stuck_detection_llu' and column_default = '0' and is_nullable = 'NO'";
    assert_eq!(Farm::at(V47).await.one::<i64>(columns).await, 0);
    assert_eq!(Farm::at(V48).await.one::<i64>(columns).await, 3);
}

#[tokio::test]
async fn limits_of_old_become_limits_by_type_and_doubled_pairs_become_one() {
    let farm = Farm::at(V48).await;
    farm.run(
        "insert into limit_record (pk_limit_record, str_name, int_max_value, b_host_limit)
             values ('m', 'maya', 5, false), ('n', 'nuke', 2, true);
         insert into layer_limit (pk_layer_limit, pk_layer, pk_limit_record)
             values ('a', 'l1', 'm'), ('b', 'l1', 'm'), ('c', 'l2', 'm'), ('d', 'l1', 'n')",
    )
    .await;
    farm.migrate_to(V49).await;
    let limits = "select string_agg(concat_ws(' ', str_name, str_type, str_enforcement, int_soft_value, int_report_ttl,
                                              int_settled_usage, int_settled_hosts), ', ' order by str_name)
                  from limit_record join limit_usage using (pk_limit_record)";
    farm.shows(
        limits,
        "maya FRAME ENFORCED -1 900 0 0, nuke HOST ENFORCED -1 900 0 0",
    )
    .await;
    let pairs = "select string_agg(pk_layer_limit || str_source, ' ' order by pk_layer_limit) from layer_limit";
    farm.shows(pairs, "aSPEC cSPEC dSPEC").await;
    for refused in [
        "insert into layer_limit (pk_layer_limit, pk_layer, pk_limit_record) values ('e', 'l1', 'm')",
        "insert into limit_record (pk_limit_record, str_name) values ('o', 'maya')",
    ] {
        assert_eq!(farm.refused(refused).await.0, "23505", "{refused}");
    }
    for refused in [
        "update limit_record set str_type = 'CORE'",
        "update limit_record set int_exit_status = 1 where pk_limit_record = 'm'",
        "insert into limit_host (pk_limit_host, pk_limit_record, str_host_name, str_reported_name, int_tokens)
             values ('h', 'm', 'ws1', 'WS1.example', 0)",
    ] {
        assert_eq!(farm.refused(refused).await.0, "23514", "{refused}");
    }
    farm.run(
        "insert into limit_host (pk_limit_host, pk_limit_record, str_host_name, str_reported_name) values ('h', 'm', 'ws1', 'WS1.example');
         delete from limit_record where pk_limit_record = 'm'",
    )
    .await;
    let left = "select (select count(*) from limit_host) + (select count(*) from limit_usage)";
    assert_eq!(farm.one::<i64>(left).await, 1, "nuke is left");
}

#[tokio::test]
async fn runs_go_through_a_queue() {
    let farm = Farm::at(V50).await;
    farm.run(BOOK_TWO).await;
    farm.run("update frame set str_state = 'WAITING', int_exit_status = 299 where pk_frame = 'x2'")
        .await;
    farm.run("update frame set str_checkpoint_state = 'ENABLED' where pk_frame = 'x1'")
        .await;
    farm.run("update frame set str_state = 'WAITING', int_exit_status = 1 where pk_frame = 'x1'")
        .await;
    farm.shows(
        EVENTS,
        "x1 S a h.name 200, x2 S a h.name 200, x2 X 299 0, x1 E 1 1",
    )
    .await;
    assert_eq!(farm.one::<i64>(HISTORY).await, 0);
}

#[tokio::test]
async fn a_job_that_was_born_without_history_is_booked_through_the_queue() {
    let farm = Farm::at(V50).await;
    farm.run("delete from job_history").await;
    farm.run(BOOK_TWO).await;
    farm.run("insert into config (pk_config, str_key) values ('c', 'DISABLE_HISTORY')")
        .await;
    farm.run("update frame set str_state = 'SUCCEEDED' where pk_frame = 'x1'")
        .await;
    farm.shows(EVENTS, "x1 S a h.name 200, x2 S a h.name 200")
        .await;
}

#[tokio::test]
async fn a_run_that_is_open_during_the_migration_ends_in_the_queue() {
    let farm = Farm::at(V47).await;
    farm.run(BOOK_TWO).await;
    farm.migrate_to(V51).await;
    farm.migrate_to(V49).await;
    farm.migrate_to(V51).await;
    farm.run("update frame set str_state = 'SUCCEEDED', int_exit_status = 0 where pk_frame = 'x1'")
        .await;
    farm.shows(EVENTS, "x1 E 0 0").await;
    assert_eq!(farm.one::<i64>(HISTORY).await, 2);
    let index =
        "select indexdef from pg_indexes where indexname = 'i_frame_layer_dispatch_waiting'";
    let index: String = farm.one(index).await;
    assert!(
        index.ends_with("(pk_layer, int_dispatch_order, int_layer_order) WHERE ((str_state)::text = 'WAITING'::text)"),
        "{index}"
    );
}
