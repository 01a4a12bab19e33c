//! Cutting a list of wanted layers into transactions.

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
    use super::parts;
    use proptest::prelude::*;

    proptest! {
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
