//! The ledgers and their caps: what is refused, with which words, and what is let through.

use crate::farm::Farm;

#[tokio::test]
async fn a_host_refuses_to_give_more_than_it_has() {
    let farm = Farm::new().await;
    for (sql, says) in [
        (
            "update host set int_cores_idle = -1, int_mem_idle = -1",
            "unable to allocate additional core units",
        ),
        (
            "update host set int_mem_idle = -1, int_gpus_idle = -1",
            "unable to allocate additional memory",
        ),
        (
            "update host set int_gpus_idle = -1, int_gpu_mem_idle = -1",
            "unable to allocate additional GPU units",
        ),
        (
            "update host set int_gpu_mem_idle = -1",
            "unable to allocate additional GPU memory",
        ),
    ] {
        farm.refuses(sql, says).await;
    }
    farm.run("update host set int_cores_idle = int_cores + 1")
        .await;
}

#[tokio::test]
async fn a_subscription_refuses_growth_over_its_burst_and_only_that() {
    let farm = Farm::new().await;
    let over = "subscription has exceeded burst size";
    farm.run("update subscription set int_cores = 500 where pk_subscription = 'sub'")
        .await;
    farm.refuses(
        "update subscription set int_cores = 501 where pk_subscription = 'sub'",
        over,
    )
    .await;
    farm.run("update subscription set int_burst = 100 where pk_subscription = 'sub'")
        .await;
    farm.run("update subscription set int_cores = 400 where pk_subscription = 'sub'")
        .await;
    farm.refuses(
        "update subscription set int_cores = 401 where pk_subscription = 'sub'",
        over,
    )
    .await;
    farm.run(
        "update subscription set int_cores = 900, int_burst = 101 where pk_subscription = 'sub'",
    )
    .await;
}

#[tokio::test]
async fn a_job_refuses_growth_over_its_caps_and_has_no_unlimited() {
    let farm = Farm::new().await;
    let cores = "job has exceeded max cores";
    let gpus = "job has exceeded max GPU units";
    farm.run("update job_resource set int_max_cores = 300, int_max_gpus = 2")
        .await;
    farm.run("update job_resource set int_cores = 300, int_gpus = 2")
        .await;
    farm.refuses(
        "update job_resource set int_cores = 301, int_gpus = 3",
        cores,
    )
    .await;
    farm.refuses("update job_resource set int_gpus = 3", gpus)
        .await;
    farm.run("update job_resource set int_max_cores = 100, int_gpus = 1")
        .await;
    // Growth of one amount tests both caps.
    farm.refuses("update job_resource set int_gpus = 2", cores)
        .await;
    for cap in [
        "update job_resource set int_max_cores = 0, int_cores = 0",
        "update job_resource set int_max_cores = -1",
    ] {
        farm.run(cap).await;
        farm.refuses("update job_resource set int_cores = 1", cores)
            .await;
    }
    farm.run("update job_resource set int_max_cores = 300, int_max_gpus = 0, int_gpus = 0")
        .await;
    farm.run("update job_resource set int_cores = 100").await;
    farm.refuses("update job_resource set int_gpus = 1", gpus)
        .await;
}

#[tokio::test]
async fn folders_and_points_enforce_nothing() {
    let farm = Farm::new().await;
    farm.run("update folder_resource set int_max_cores = 10 where pk_folder = 'f'")
        .await;
    farm.run("update folder_resource set int_cores = 100 where pk_folder = 'f'")
        .await;
    farm.run("update point set int_cores = 100 where pk_point = 'p'")
        .await;
}

#[tokio::test]
async fn each_update_of_a_ledger_works_out_its_tier() {
    let farm = Farm::new().await;
    farm.run("update subscription set int_cores = 333 where pk_subscription = 'sub'")
        .await;
    farm.run("update subscription set int_cores = 250 where pk_subscription = 'sub2'")
        .await;
    farm.run("update job_resource set int_cores = 0, int_min_cores = 70")
        .await;
    farm.run(
        "update folder_resource set int_cores = 100, int_min_cores = 300 where pk_folder = 'f'",
    )
    .await;
    farm.run(
        "update folder_resource set int_cores = 400, int_min_cores = 300 where pk_folder = 'f2'",
    )
    .await;
    farm.run("update point set int_min_cores = 300 where pk_point = 'p'")
        .await;
    let tiers = "
        select (select string_agg(float_tier::text, ' ' order by pk_subscription) from subscription),
               (select float_tier::text from job_resource),
               (select string_agg(float_tier::text, ' ' order by pk_folder) from folder_resource),
               (select float_tier::text from point where pk_point = 'p')";
    farm.shows(tiers, "0.33 3.50 -70.00 0.33 1.00 -300.00")
        .await;
}

#[tokio::test]
async fn the_tier_functions_follow_their_definition() {
    let farm = Farm::new().await;
    let tier = "select tier(0, 0)::float8 || ' ' || tier(100, 0)::float8 || ' ' || tier(0, 5000)::float8 || ' ' || tier(50, 100)::float8";
    farm.shows(tier, "1 2 -5000 0.5").await;
    let soft = "select soft_tier(null, 5)::float8 || ' ' || soft_tier(7, 0)::float8 || ' ' || soft_tier(9, 5)::float8
                       || ' ' || soft_tier(0, 5)::float8 || ' ' || soft_tier(1, 4)::float8";
    farm.shows(soft, "0 1 1 -5 0.25").await;
}

const PROC: &str = "
    insert into proc (pk_proc, pk_host, pk_job, pk_show, pk_layer, pk_frame, int_cores_reserved, int_mem_reserved, int_gpus_reserved)
    values ('p1', 'h', 'j', 's', 'l1', 'x1', 200, 100, 1)";

#[tokio::test]
async fn a_proc_without_cores_is_refused() {
    let farm = Farm::new().await;
    let said = farm
        .refused("insert into proc (pk_proc, pk_host, int_cores_reserved, int_mem_reserved) values ('p1', 'h', 0, 1)")
        .await;
    assert_eq!(
        said,
        (
            "P0001".to_owned(),
            "failed to allocate proc, tried to allocate 0 cores".to_owned()
        )
    );
}

#[tokio::test]
async fn memory_that_a_proc_grows_into_comes_out_of_its_host() {
    let farm = Farm::new().await;
    farm.run(PROC).await;
    let idle = "select int_mem_idle from host";
    assert_eq!(
        farm.one::<i64>(idle).await,
        1000,
        "a new proc takes nothing by itself"
    );
    farm.run("update proc set int_mem_reserved = 150").await;
    assert_eq!(farm.one::<i64>(idle).await, 950);
    farm.run("update proc set int_mem_reserved = 50").await;
    assert_eq!(farm.one::<i64>(idle).await, 1050);
    let (code, message) = farm
        .refused("update proc set int_mem_reserved = 5000")
        .await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("P0001", "unable to allocate additional memory")
    );
    farm.run("delete from proc").await;
    assert_eq!(
        farm.one::<i64>(idle).await,
        1050,
        "a deleted proc gives nothing back by itself"
    );
}

#[tokio::test]
async fn a_proc_that_changes_its_layer_takes_its_share_along() {
    let farm = Farm::new().await;
    farm.run(PROC).await;
    farm.run("update layer_resource set int_cores = 200, int_gpus = 1 where pk_layer = 'l1'")
        .await;
    farm.run("update proc set pk_layer = 'l2'").await;
    let shares = "select string_agg(pk_layer || ':' || int_cores || ':' || int_gpus, ' ' order by pk_layer) from layer_resource";
    farm.shows(shares, "l1:0:0 l2:200:1").await;
}

#[tokio::test]
async fn local_rows_have_words_of_their_own() {
    let farm = Farm::new().await;
    farm.run("insert into job_local (pk_job_local, pk_job, pk_host, str_source, int_max_cores) values ('jl', 'j', 'h', 'x', 100)").await;
    farm.refuses(
        "update job_local set int_cores = 101",
        "job local has exceeded max cores",
    )
    .await;
    farm.run(
        "insert into host_local (pk_host_local, pk_job, pk_host, str_type, int_mem_idle, int_gpus_idle, int_gpu_mem_idle)
         values ('hl', 'j', 'h', 'x', 10, 5, 10)",
    )
    .await;
    for (sql, says) in [
        (
            "update host_local set int_cores_idle = -1, int_gpus_idle = 0",
            "host local doesnt have enough idle cores.",
        ),
        (
            "update host_local set int_mem_idle = -1, int_gpus_idle = 0",
            "host local doesnt have enough idle memory",
        ),
        (
            "update host_local set int_cores_idle = 1, int_gpus_idle = -1",
            "host local doesnt have enough GPU idle cores.",
        ),
        (
            "update host_local set int_cores_idle = 1, int_gpu_mem_idle = -1",
            "host local doesnt have enough GPU idle memory.",
        ),
    ] {
        farm.refuses(sql, says).await;
    }
    farm.run("update host_local set int_cores_idle = -100")
        .await;
    assert_eq!(
        farm.text("select float_tier::text from host_local").await,
        "2.00",
        "unchecked without GPUs, but in tier"
    );
}

#[tokio::test]
async fn a_recount_of_subscriptions_passes_the_burst_and_leaves_managed_shows_alone() {
    let farm = Farm::new().await;
    farm.run(
        "insert into proc (pk_proc, pk_host, pk_show, int_cores_reserved, int_mem_reserved, int_gpus_reserved, b_local)
         values ('1', 'h', 's', 400, 1, 1, false), ('2', 'h', 's', 300, 1, 0, false), ('3', 'h', 's', 100, 1, 1, true),
                ('4', 'h', 'managed', 100, 1, 1, false)",
    )
    .await;
    farm.run("update subscription set int_cores = 7").await;
    farm.run("select recalculate_subs()").await;
    let subs = "select string_agg(int_cores || ':' || int_gpus || ':' || int_burst, ' ' order by pk_subscription) from subscription";
    farm.shows(subs, "700:1:500 7:0:500").await;
    farm.run("delete from proc").await;
    farm.run("select recalculate_subs()").await;
    farm.shows(subs, "0:0:500 7:0:500").await;
}

#[tokio::test]
async fn tags_are_joined_by_type_and_name_and_too_many_are_refused() {
    let farm = Farm::new().await;
    farm.run(
        "insert into host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
         values ('1', 'h', 'zz', 'ALLOC'), ('2', 'h', 'bb', 'MANUAL'), ('3', 'h', 'aa', 'MANUAL'), ('4', 'h', 'h', 'HOSTNAME')",
    )
    .await;
    farm.run("select recalculate_tags('h')").await;
    farm.shows("select str_tags from host", "zz h aa bb").await;
    farm.run("insert into host_tag (pk_host_tag, pk_host, str_tag) select 'q' || n, 'h', repeat('x', 45) from generate_series(1, 3) n").await;
    assert_eq!(
        farm.refused("select recalculate_tags('h')").await.0,
        "22001"
    );
}
