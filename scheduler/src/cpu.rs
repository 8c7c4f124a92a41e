//! What this machine's CPU can do, in words: compared when functions travel, as one may hold the proof of a feature.

/// The features of this CPU that programs test for, in alphabetical order.
pub(crate) fn features() -> String {
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "other architectures have no list yet"))]
    let mut found: Vec<&str> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    macro_rules! test {
        ($($feature:tt),*) => {
            $(if std::arch::is_x86_feature_detected!($feature) { found.push($feature); })*
        };
    }
    #[cfg(target_arch = "x86_64")]
    test!(
        "aes",
        "avx",
        "avx2",
        "avx512bw",
        "avx512cd",
        "avx512dq",
        "avx512f",
        "avx512vl",
        "bmi1",
        "bmi2",
        "f16c",
        "fma",
        "lzcnt",
        "movbe",
        "pclmulqdq",
        "popcnt",
        "sha",
        "sse3",
        "sse4.1",
        "sse4.2",
        "ssse3",
        "vaes",
        "vpclmulqdq"
    );
    found.join(" ")
}

/// The features, of those in the list, that this CPU lacks; none if it has them all.
pub(crate) fn missing_features(wanted: &str) -> Option<String> {
    let own = features();
    let missing: Vec<&str> =
        wanted.split_ascii_whitespace().filter(|feature| !own.split_ascii_whitespace().any(|own| own == *feature)).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_has_its_own_features_and_lacks_what_does_not_exist() {
        assert_eq!(missing_features(&features()), None);
        assert_eq!(missing_features(""), None);
        assert_eq!(missing_features(&format!("{} teleport", features())).as_deref(), Some("teleport"));
    }
}
