//! Births, moves and deaths of jobs, layers, folders and hosts.

use crate::farm::Farm;

#[tokio::test]
async fn a_job_and_a_layer_are_born_with_their_rows() {
    let farm = Farm::new().await;
    let job = "
        select r.pk_job_resource, r.int_max_cores::text, r.int_max_gpus::text, r.int_priority::text, r.int_min_cores::text,
               s.pk_job_stat, u.pk_job_usage, m.pk_job_mem, h.str_name, h.str_shot, h.str_user, h.pk_dept
        from job_resource r join job_stat s using (pk_job) join job_usage u using (pk_job) join job_mem m using (pk_job)
        join job_history h using (pk_job)";
    farm.shows(job, "j 10000 100 1 100 j j j j shot user d")
        .await;
    let layer = "
        select r.pk_layer_resource, s.pk_layer_stat, s.pk_job, u.pk_layer_usage, m.pk_layer_mem, h.pk_layer, h.str_name,
               h.str_type, h.str_services, h.int_cores_min::text, h.int_mem_min::text
        from layer_resource r join layer_stat s using (pk_layer) join layer_usage u using (pk_layer)
        join layer_mem m using (pk_layer) join layer_history h using (pk_layer) where pk_layer = 'l1'";
    farm.shows(layer, "l1 l1 j l1 l1 l1 l1 RENDER default 100 4194304")
        .await;
}

#[tokio::test]
async fn no_history_is_born_while_history_is_off() {
    let farm = Farm::new().await;
    farm.run("insert into config (pk_config, str_key) values ('c', 'DISABLE_HISTORY')")
        .await;
    farm.run(
        "insert into job (pk_job, pk_folder, pk_show, pk_facility, pk_dept, str_name, str_shot, str_user, str_state)
         values ('k', 'f', 's', 'fac', 'd', 'k', 'shot', 'user', 'PENDING');
         insert into layer (pk_layer, pk_job, str_name, str_cmd, str_range, str_type) values ('k', 'k', 'k', 'true', '1', 'UTIL')",
    )
    .await;
    let rows = "select (select count(*) from job_history where pk_job = 'k') || ' ' || (select count(*) from layer_history where pk_job = 'k')
                       || ' ' || (select count(*) from job_stat where pk_job = 'k')";
    farm.shows(rows, "0 0 1").await;
}

#[tokio::test]
async fn a_job_that_finishes_leaves_its_totals_and_its_local_rows_go() {
    let farm = Farm::new().await;
    farm.run("insert into job_local (pk_job_local, pk_job, pk_host, str_source, int_max_cores) values ('jl', 'j', 'h', 'x', 100)").await;
    farm.run("update layer_usage set int_core_time_success = 60, int_gpu_time_fail = 5 where pk_layer = 'l1'").await;
    farm.run("update layer_mem set int_max_rss = 77 where pk_layer = 'l1'")
        .await;
    farm.run("update job set int_frame_count = 6, int_layer_count = 2, str_state = 'FINISHED', ts_stopped = now()").await;
    let job = "select int_frame_count::text, int_layer_count::text, b_archived::text, (int_ts_stopped > 0)::text from job_history";
    farm.shows(job, "6 2 false true").await;
    let layer = "select int_core_time_success::text, int_gpu_time_fail::text, int_max_rss::text, int_frame_count::text,
                        int_waiting_count::text from layer_history where pk_layer = 'l1'";
    farm.shows(layer, "60 5 77 6 6").await;
    assert_eq!(farm.one::<i64>("select count(*) from job_local").await, 0);
}

#[tokio::test]
async fn what_a_job_holds_moves_with_it() {
    let farm = Farm::new().await;
    farm.run("update job_resource set int_cores = 300, int_gpus = 2")
        .await;
    farm.run("update folder_resource set int_cores = 500, int_gpus = 3 where pk_folder = 'f'")
        .await;
    farm.run("update point set int_cores = 500, int_gpus = 3 where pk_point = 'p'")
        .await;
    farm.run("update job set pk_folder = 'f2', pk_dept = 'd2'")
        .await;
    let folders = "select string_agg(int_cores || ':' || int_gpus, ' ' order by pk_folder) from folder_resource";
    farm.shows(folders, "200:1 300:2").await;
    let points =
        "select string_agg(int_cores || ':' || int_gpus, ' ' order by pk_point) from point";
    farm.shows(points, "200:1 300:2").await;
    farm.run("update job set str_state = 'FINISHED', pk_dept = 'd'")
        .await;
    assert_eq!(
        farm.text(points).await,
        "200:1 300:2",
        "points follow pending jobs only"
    );
}

#[tokio::test]
async fn a_job_with_a_proc_cannot_be_deleted_and_without_takes_everything_along() {
    let farm = Farm::new().await;
    farm.run(
        "insert into proc (pk_proc, pk_host, pk_job, pk_layer, pk_frame, int_cores_reserved, int_mem_reserved)
         values ('p1', 'h', 'j', 'l1', 'x1', 100, 1)",
    )
    .await;
    farm.run(
        "insert into job_env (pk_job_env, pk_job) values ('e', 'j');
         insert into layer_env (pk_layer_env, pk_layer, pk_job) values ('e', 'l1', 'j');
         insert into layer_output (pk_layer_output, pk_layer, pk_job, str_filespec) values ('o', 'l1', 'j', 'o');
         insert into limit_record (pk_limit_record, str_name) values ('r', 'r');
         insert into layer_limit (pk_layer_limit, pk_layer, pk_limit_record) values ('q', 'l1', 'r');
         insert into frame_state_display_overrides values ('o', 'x2', 'DEAD', 'x', 'y');
         insert into comments (pk_comment, pk_job, str_user, str_subject, str_message) values ('c', 'j', 'u', 's', 'm');
         insert into depend (pk_depend, pk_job_depend_on, pk_job_depend_er, str_type, str_signature) values ('d', 'k', 'j', 'x', 'y')",
    )
    .await;
    let (code, message) = farm.refused("delete from job").await;
    assert_eq!(code, "23503");
    assert!(message.contains("c_proc_pk_frame"), "{message}");

    farm.run("delete from proc; delete from job").await;
    let left = "
        select (select count(*) from frame) + (select count(*) from layer) + (select count(*) from layer_stat)
             + (select count(*) from layer_resource) + (select count(*) from layer_usage) + (select count(*) from layer_mem)
             + (select count(*) from layer_env) + (select count(*) from layer_output) + (select count(*) from layer_limit)
             + (select count(*) from job_stat) + (select count(*) from job_resource) + (select count(*) from job_usage)
             + (select count(*) from job_mem) + (select count(*) from job_env) + (select count(*) from comments)
             + (select count(*) from depend) + (select count(*) from frame_state_display_overrides)";
    assert_eq!(farm.one::<i64>(left).await, 0);
    assert!(farm.one::<bool>("select b_archived from job_history").await);
    assert!(
        farm.one::<bool>("select bool_and(b_archived) from layer_history")
            .await
    );
    farm.run("delete from job_history").await;
    assert_eq!(
        farm.one::<i64>("select count(*) from layer_history").await,
        0,
        "history goes with its job's"
    );
}

#[tokio::test]
async fn a_folder_comes_and_goes_with_its_level_and_its_ledger() {
    let farm = Farm::new().await;
    farm.run("insert into folder (pk_folder, pk_parent_folder, pk_show, pk_dept, str_name) values ('g', 'f2', 's', 'd', 'g')").await;
    let folders = "
        select string_agg(concat_ws(':', pk_folder_level, pk_folder_resource, int_level, b_default, r.int_max_cores, r.int_max_gpus), ' '
                          order by pk_folder)
        from folder join folder_level using (pk_folder) join folder_resource r using (pk_folder)";
    farm.shows(folders, "f:f:0:t:-1:-1 f2:f2:0:t:-1:-1 g:g:1:f:-1:-1")
        .await;
    farm.run("delete from folder where pk_folder = 'g'").await;
    assert_eq!(
        farm.one::<i64>("select count(*) from folder_resource")
            .await,
        2
    );
    assert_eq!(
        farm.one::<i64>("select count(*) from folder_level").await,
        2
    );
}

#[tokio::test]
async fn a_host_takes_its_rows_along() {
    let farm = Farm::new().await;
    farm.run(
        "insert into host_tag (pk_host_tag, pk_host, str_tag) values ('1', 'h', 'x');
         insert into deed (pk_deed, pk_owner, pk_host) values ('1', 'o', 'h');
         delete from host",
    )
    .await;
    let left = "select (select count(*) from host_stat) + (select count(*) from host_tag) + (select count(*) from deed)";
    assert_eq!(farm.one::<i64>(left).await, 0);
}

#[tokio::test]
async fn a_show_waits_only_while_a_job_of_it_has_a_waiting_frame_and_room_for_a_core() {
    let farm = Farm::new().await;
    let waiting = "select coalesce(string_agg(pk_show, ' '), '-') from vs_waiting";
    farm.shows(waiting, "s").await;
    for (change, back) in [
        (
            "update job set b_paused = true",
            "update job set b_paused = false",
        ),
        (
            "update job_resource set int_max_cores = 99",
            "update job_resource set int_max_cores = 100",
        ),
        (
            "update job_stat set int_waiting_count = 0",
            "update job_stat set int_waiting_count = 6",
        ),
        (
            "update job set str_state = 'SHUTDOWN'",
            "update job set str_state = 'PENDING'",
        ),
    ] {
        farm.run(change).await;
        assert_eq!(farm.text(waiting).await, "-", "{change}");
        farm.run(back).await;
        assert_eq!(farm.text(waiting).await, "s", "{back}");
    }
}
