//! Tags in SQL and in memory: one definition of a tag, and a tag of any type counts.

use std::collections::{BTreeSet, HashSet};

use cue_domain::{Tag, tags, unserved};
use cue_simfarm::dice::Dice;
use cue_simfarm::seed::LayerSpec;

use crate::yard::Yard;

/// Signs of the random texts: letters, the separator, the space, and white space that is none.
const SIGNS: [char; 9] = ['a', 'b', 'b', '|', '|', '|', ' ', '\t', '\u{a0}'];

const LAYERS: usize = 400;

fn text(dice: &mut Dice, longest: u64) -> String {
    let length = dice.below(longest) + 1;
    let sign = |_| SIGNS[usize::try_from(dice.below(SIGNS.len() as u64)).unwrap()];
    (0..length).map(sign).collect()
}

/// Number of layers that wait and that no host serves.
async fn count_unserved(yard: &Yard) -> u64 {
    let (rows, _) = yard.demand().await;
    let carried = yard.store.carried_tags().await.unwrap();
    let waiting = rows.layers.iter().map(|layer| {
        let job = rows.jobs.iter().find(|job| job.id == layer.job);
        (job.unwrap(), layer)
    });
    unserved(waiting, &rows.subscriptions, &carried, &[]).layers
}

#[tokio::test]
async fn sql_and_memory_agree_on_the_tags_of_any_text() {
    let yard = Yard::new().await;
    let mut dice = Dice::new(5);
    let carried = ["a", " b ", "a b", "ab", "b\t", "\ta", "b\u{a0}"].map(str::to_owned);
    let host = yard.farm.host("h", |host| {
        host.tags = carried.iter().map(|tag| (tag.clone(), "MANUAL")).collect();
    });
    host.await.unwrap();
    let texts: Vec<String> = (0..LAYERS).map(|_| text(&mut dice, 9)).collect();
    let job = yard.farm.job("j", |job| {
        for (n, tags) in texts.iter().enumerate() {
            job.layers.push(LayerSpec::new(&format!("l{n}"), tags));
        }
    });
    job.await.unwrap();
    let listed: HashSet<Tag> = carried.iter().map(|tag| Tag::from(&**tag)).collect();
    let of_hosts = yard.store.host_tags().await.unwrap();
    let of_host: BTreeSet<&Tag> = of_hosts.values().flat_map(|tags| tags.iter()).collect();
    assert_eq!(of_host, listed.iter().collect());
    let by_alloc = yard.store.carried_tags().await.unwrap();
    assert_eq!(by_alloc.len(), 1);
    assert_eq!(by_alloc.values().next(), Some(&listed));

    // The server compares tags by itself here.
    let facility = yard.farm.facility.id.as_str().into();
    let (mut wanted, mut served) = (0, 0);
    for text in &texts {
        let alternatives = tags::alternatives(text);
        let tagged = yard.store.tagged_hosts(&alternatives, &facility, None);
        let serves = alternatives.iter().any(|tag| listed.contains(tag));
        assert_eq!(tagged.await.unwrap().hosts > 0, serves, "{text:?}");
        wanted += 1;
        served += u64::from(serves);
    }
    assert!(served > 50 && served < wanted, "{served} of {wanted}");
    assert_eq!(count_unserved(&yard).await, wanted - served);
}

#[tokio::test]
async fn a_tag_of_any_type_serves_the_shows_of_its_allocation() {
    let yard = Yard::new().await;
    let types = ["Hardware", "hostname", "rack", "", "Alloc"];
    let tag = |n: usize| format!("tag{n}");
    for n in 0..types.len() {
        let name = format!("j{n}");
        let job = yard.farm.frames(&name, 1, |layer| layer.tags = tag(n));
        job.await.unwrap();
    }
    let all = types.len() as u64;
    assert_eq!(count_unserved(&yard).await, all);
    let host = yard.farm.host("h", |host| {
        host.tags
            .extend(types.iter().enumerate().map(|(n, kind)| (tag(n), *kind)));
    });
    host.await.unwrap();
    assert_eq!(count_unserved(&yard).await, 0);
    // A host that is down carries its tags all the same; one of an allocation without a subscription serves nobody.
    let down = "UPDATE host_stat SET str_state = 'DOWN'";
    yard.db.run(down).await;
    assert_eq!(count_unserved(&yard).await, 0);
    let end = "DELETE FROM subscription";
    yard.db.run(end).await;
    assert_eq!(count_unserved(&yard).await, all);
}
