//! Cutting a list of wanted layers into transactions.

/// How many frames of each of so many layers are asked for: the usual number, or an equal part of
/// what a transaction may hold where that is more. What a lock costs depends on how many frames wait
/// in the layer and not on how many are taken, so a deep layer that is alone is taken in large parts.
pub(crate) fn each(layers: usize, usual: u32, most: u32) -> u32 {
    let layers = u32::try_from(layers).unwrap_or(u32::MAX).max(1);
    usual.max(most / layers)
}

/// Cuts `items` into consecutive parts of at most `most_items` items whose weights add up to at most
/// `most_weight`. An item heavier than that has a part of its own.
pub(crate) fn parts<T>(
    items: &[T],
    most_items: usize,
    most_weight: u32,
    weight: impl Fn(&T) -> u32,
) -> Vec<&[T]> {
    let mut parts = Vec::new();
    let (mut start, mut sum) = (0, 0u32);
    for (index, item) in items.iter().enumerate() {
        let next = weight(item);
        let full = index - start >= most_items.max(1) || sum.saturating_add(next) > most_weight;
        if full && index > start {
            parts.push(&items[start..index]);
            (start, sum) = (index, 0);
        }
        sum = sum.saturating_add(next);
    }
    if start < items.len() {
        parts.push(&items[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{each, parts};
    use proptest::prelude::*;

    #[test]
    fn few_layers_share_a_transaction_and_many_take_the_usual_number() {
        let frames = |layers| each(layers, 100, 400);
        assert_eq!(
            [0, 1, 2, 3, 4, 300].map(frames),
            [400, 400, 200, 133, 100, 100]
        );
        assert_eq!(each(1, 50, 50), 50);
    }

    proptest! {
        #[test]
        fn layers_that_are_given_more_than_usual_fit_one_transaction(layers in 1usize..600, usual in 1u32..500, most in 1u32..2_000) {
            let frames = each(layers, usual, most);
            prop_assert!(frames >= usual);
            prop_assert!(frames == usual || u64::from(frames) * layers as u64 <= u64::from(most));
        }

        #[test]
        fn parts_keep_the_order_and_both_bounds(weights in proptest::collection::vec(1u32..50, 0..80), items in 1usize..9, weight in 1u32..120) {
            let cut = parts(&weights, items, weight, |w| *w);
            prop_assert_eq!(cut.concat(), weights.clone());
            for part in cut {
                prop_assert!(!part.is_empty() && part.len() <= items);
                prop_assert!(part.len() == 1 || part.iter().sum::<u32>() <= weight);
            }
        }
    }
}
