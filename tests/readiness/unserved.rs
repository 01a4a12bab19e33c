//! Work that no host could serve is counted and named.

use cue_simfarm::waiting::until;

use crate::world::Yard;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_layers_that_no_host_could_serve_are_counted_and_named() {
    let yard = Yard::open().await;
    let layers = async || yard.status().await["unserved"]["layers"].as_u64().unwrap();
    yard.job("sound").await;
    yard.books_soon(1).await;
    assert_eq!(layers().await, 0);
    assert!(yard.check().await.contains("ok    unserved"));

    let tagged = yard.farm.frames("tagged", 3, |layer| {
        layer.tags = "nowhere".to_owned();
    });
    tagged.await.unwrap();
    until("the layer to be counted", async || layers().await == 1).await;
    assert_eq!(yard.metric("scheduler_unserved_layers").await, "1");
    let status = yard.status().await;
    assert_eq!(status["unserved"]["frames"], 3, "{status}");
    let example = status["unserved"]["examples"][0].as_str().unwrap();
    assert!(
        example.contains("tagged") && example.contains("nowhere"),
        "{example}"
    );
    let check = yard.check().await;
    assert!(
        check.contains("warn  unserved    1 waiting layers"),
        "{check}"
    );
    until("top to name it", async || {
        yard.top().await.contains("no host that could serve it")
    })
    .await;

    // Without a subscription the show may use no host at all.
    yard.job("frozen").await;
    yard.books_soon(2).await;
    yard.run("CREATE TABLE kept AS SELECT * FROM subscription; DELETE FROM subscription")
        .await;
    yard.job("more").await;
    until("both to be counted", async || layers().await == 2).await;
    assert_eq!(yard.ready().await.0, 200);
    yard.run("INSERT INTO subscription SELECT * FROM kept; UPDATE layer SET str_tags = 'general'")
        .await;
    yard.books_soon(3).await;
    until("nothing to be left", async || layers().await == 0).await;
    yard.close().await;
}
