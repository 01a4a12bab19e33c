//! Operating systems: a host offers a list of them, a job demands one or none.

use crate::bench::Bench;

/// A host that does not offer what the job demands, until it does.
async fn flips_host(offers: &str, demands: &str, open: &'static str) {
    let bench = Bench::new(|host| offers.clone_into(&mut host.os)).await;
    let job = bench.job(|job, _| job.os = Some(demands.to_owned())).await;
    let host = bench.host.clone();
    bench.flips(&job, open, &host).await;
}

async fn books(offers: &str, demands: Option<&str>) {
    let bench = Bench::new(|host| offers.clone_into(&mut host.os)).await;
    let job = bench
        .job(|job, _| job.os = demands.map(str::to_owned))
        .await;
    bench.books(&job).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_must_offer_the_operating_system_that_a_job_demands() {
    let open = "UPDATE host_stat SET str_os = 'windows' WHERE pk_host = $1";
    flips_host("rocky9", "windows", open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_name_is_another_operating_system() {
    let open = "UPDATE host_stat SET str_os = 'rocky' WHERE pk_host = $1";
    flips_host("rocky9,centos7", "rocky", open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operating_system_may_join_the_list_of_a_host() {
    let open = "UPDATE host_stat SET str_os = 'rocky9,windows' WHERE pk_host = $1";
    flips_host("rocky9", "windows", open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_operating_systems_is_not_a_name() {
    let bench = Bench::new(|host| host.os = "a,b".to_owned()).await;
    let job = bench.job(|job, _| job.os = Some("a,b".to_owned())).await;
    let open = "UPDATE job SET str_os = 'a' WHERE pk_job = $1";
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_name_of_a_list_is_offered() {
    for demands in ["rocky9", "centos7", "alma"] {
        books("rocky9,centos7,alma", Some(demands)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_operating_system_and_an_empty_one_mean_any() {
    books("rocky9", None).await;
    books("rocky9,centos7", Some("")).await;
    books("", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demand_that_is_taken_back_lets_the_job_run() {
    let bench = Bench::new(|_| ()).await;
    let job = bench
        .job(|job, _| job.os = Some("windows".to_owned()))
        .await;
    let open = "UPDATE job SET str_os = NULL WHERE pk_job = $1";
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}
