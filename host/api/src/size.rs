//! Sizes as people write them in manifests: `64Mi`, `512Ki`, `1G`, `4096`.

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no size; write a whole number of bytes, or one with Ki, Mi, Gi, k, M or G, e.g. 64Mi")]
pub struct InvalidSize(String);

/// Parses a whole number of bytes with an optional unit of Kubernetes' quantities.
///
/// # Errors
/// For everything else: fraction, sign, space, another unit, overflow.
pub fn parse_size(text: &str) -> Result<u64, InvalidSize> {
    parse(text).ok_or_else(|| InvalidSize(text.chars().take(64).collect()))
}

fn parse(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit: u64 = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_units() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1k", 1000),
            ("512Ki", 512 << 10),
            ("64Mi", 64 << 20),
            ("2Gi", 2 << 30),
            ("3M", 3_000_000),
            ("1G", 1_000_000_000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "Mi",
            "1.5Mi",
            "-1",
            "+1",
            "1 Mi",
            "1mi",
            "1MB",
            "1K",
            "1m",
            "١",
            "99999999999Gi",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
        assert_eq!(
            parse_size("1MB").unwrap_err().to_string(),
            "\"1MB\" is no size; write a whole number of bytes, or one with Ki, Mi, Gi, k, M or G, e.g. 64Mi"
        );
    }
}
