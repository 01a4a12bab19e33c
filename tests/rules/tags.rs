//! Tags: exact, whole, of a list, and with their inner blanks.

use crate::bench::Bench;

/// A layer whose tags do not fit a host with these tags, until the statement gives it others.
async fn flips_layer(host_tag: &str, layer_tags: &str, open: &'static str) {
    let bench = Bench::new(|host| host.tags.push((host_tag.to_owned(), "MANUAL"))).await;
    let job = bench.job(|_, layer| layer_tags.clone_into(&mut layer.tags));
    let job = job.await;
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}

async fn books(host_tag: &str, kind: &'static str, layer_tags: &str) {
    let bench = Bench::new(|host| host.tags.push((host_tag.to_owned(), kind))).await;
    let job = bench.job(|_, layer| layer_tags.clone_into(&mut layer.tags));
    let job = job.await;
    bench.books(&job).await;
}

const FAST: &str = "UPDATE layer SET str_tags = 'fast' WHERE pk_job = $1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_runs_where_one_of_its_tags_is() {
    flips_layer("fast", "slow", FAST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_tag_of_a_list_will_do() {
    let list = "UPDATE layer SET str_tags = 'slow | fast | lazy' WHERE pk_job = $1";
    flips_layer("fast", "slow | lazy", list).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_tag_is_another_tag() {
    flips_layer("fast", "fas", FAST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_tag_is_another_tag() {
    flips_layer("fast", "faster", FAST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_in_other_letters_is_another_tag() {
    flips_layer("fast", "Fast", FAST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_is_no_pattern() {
    flips_layer("fast", "f.*t", FAST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_without_tags_runs_nowhere() {
    flips_layer("fast", "", FAST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_with_an_inner_blank_is_not_the_tag_without() {
    flips_layer(
        "bigmem",
        "big mem",
        "UPDATE layer SET str_tags = 'bigmem' WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_without_an_inner_blank_is_not_the_tag_with_one() {
    flips_layer(
        "big mem",
        "bigmem",
        "UPDATE layer SET str_tags = 'big mem' WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_with_an_inner_blank_is_found() {
    books("big mem", "MANUAL", "other | big mem").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hardware_tags_count() {
    books("avx512", "HARDWARE", "avx512").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_host_is_a_tag() {
    books("unused", "MANUAL", "subject").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_gets_the_tag_is_booked() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, layer| layer.tags = "fresh".to_owned()).await;
    let host = bench.host.clone();
    let tag = "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type, b_constant)
               VALUES ('fresh', $1, 'fresh', 'MANUAL', false)";
    bench.flips(&job, tag, &host).await;
}
