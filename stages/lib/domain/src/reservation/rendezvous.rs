//! Rendezvous hashing: every replica prefers the same hosts for a layer, and each layer prefers others.

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Weight of a host for a layer, from their ids; the heaviest host is preferred.
///
/// The hash is FNV-1a with 64 bits and a finaliser. Replicas of different versions must agree, so it
/// never changes, unlike that of the standard library.
pub(super) fn weight(layer: &str, host: &str) -> u64 {
    // No byte of UTF-8 is 0xff, so it separates the ids.
    let bytes = layer.bytes().chain([0xff]).chain(host.bytes());
    mixed(bytes.fold(FNV_OFFSET, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME)
    }))
}

/// Spreads each bit of the hash over all: FNV leaves ids that differ in their last byte close together.
const fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_never_change() {
        // Computed by another implementation.
        for (layer, host, expected) in [
            ("", "", 0x1bbd_5c81_3c69_a8d7),
            ("layer", "host", 0xebdf_89c5_327e_da05),
            ("0a1b", "HOST-é", 0x9eb3_49ee_6b39_f601),
        ] {
            assert_eq!(weight(layer, host), expected, "{layer} {host}");
        }
    }

    #[test]
    fn ids_are_not_confused_where_they_meet() {
        assert_ne!(weight("ab", "c"), weight("a", "bc"));
    }

    #[test]
    fn each_layer_prefers_other_hosts() {
        let mut times_preferred = [0; 10];
        for layer in 0..2_000 {
            let layer = format!("layer-{layer}");
            let hosts = 0..times_preferred.len();
            let preferred = hosts.max_by_key(|host| weight(&layer, &format!("host-{host}")));
            times_preferred[preferred.unwrap()] += 1;
        }
        // 200 expected, with a deviation of 13.
        let range = 140..260;
        assert!(
            times_preferred.iter().all(|times| range.contains(times)),
            "{times_preferred:?}"
        );
    }
}
