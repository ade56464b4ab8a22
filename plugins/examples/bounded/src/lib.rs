//! A bounded list: the newest 10 of the entries of all versions. Each line is a time and a text, the newest first.
use kvnode::{Conflict, Verdict};

/// How many entries a list has at most.
const LENGTH: usize = 10;

/// The most bytes that all versions together may have: three quarters of a call's default fuel are enough for that. A handler that gives up
/// says why, one that runs out of fuel is a trap.
const MAX_BYTES: usize = 48 << 10;

kvnode::handler!(merge);

fn merge(c: Conflict) -> Result<Verdict, String> {
    if c.versions.iter().map(|v| v.value().len()).sum::<usize>() > MAX_BYTES {
        return Err(format!("the versions have more than {} bytes", MAX_BYTES));
    }
    let mut entries = Vec::new();
    for v in c.versions {
        for line in v.value().split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            entries.push((time_of(line)?, line));
        }
    }
    entries.sort_unstable_by(|a, b| b.cmp(a));
    entries.dedup();
    entries.truncate(LENGTH);
    Ok(Verdict::set(entries.iter().map(|&(_, line)| line).collect::<Vec<_>>().join(&b'\n')))
}

/// Returns the number before the line's first space.
fn time_of(line: &[u8]) -> Result<u64, String> {
    let digits = line.split(|&b| b == b' ').next().and_then(|word| std::str::from_utf8(word).ok());
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
        // Writing a character that is not ASCII for people takes thousands of units of fuel, so not all of the line is shown.
        let text = String::from_utf8_lossy(&line[..line.len().min(40)]);
        format!("the line {:?} does not begin with a time", text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kvnode::Version;

    fn merged(values: &[&str]) -> String {
        let versions: Vec<_> = values.iter().zip(1..).map(|(v, i)| Version::new(v, i, i)).collect();
        match merge(Conflict::new("recent", &versions)) {
            Ok(Verdict::Set(value)) => String::from_utf8(value.to_vec()).unwrap(),
            other => format!("{:?}", other),
        }
    }

    #[test]
    fn entries_are_merged_newest_first() {
        assert_eq!(merged(&["3 c\n1 a", "4 d\n2 b"]), "4 d\n3 c\n2 b\n1 a");
    }

    #[test]
    fn an_entry_of_two_versions_is_there_once() {
        assert_eq!(merged(&["2 b\n1 a", "2 b\n1 a\n"]), "2 b\n1 a");
        assert_eq!(merged(&["1 a", "1 b"]), "1 b\n1 a");
    }

    #[test]
    fn the_oldest_fall_out() {
        let (even, odd): (Vec<_>, Vec<_>) = (0..20).map(|i| format!("{} x", i)).partition(|s| s.len() % 2 == 0);
        let all = merged(&[&even.join("\n"), &odd.join("\n")]);
        assert_eq!(all.lines().count(), LENGTH);
        assert!(all.starts_with("19 x\n18 x") && all.ends_with("\n10 x"), "{}", all);
    }

    #[test]
    fn what_would_take_too_much_fuel_is_refused() {
        let half = format!("1 {}", "x".repeat(MAX_BYTES / 2 - 2));
        assert_eq!(merged(&[&half, &half]), half);
        assert!(merged(&[&half, &half, "2"]).contains("more than 49152 bytes"));
    }

    #[test]
    fn an_error_shows_the_beginning_of_a_long_line() {
        let long = "é".repeat(1000);
        let text = merge(Conflict::new("k", &[Version::new(&long, 1, 1)])).unwrap_err();
        assert!(text.contains("éééé") && text.len() < 100, "{}", text);
    }

    #[test]
    fn a_line_without_a_time_is_an_error_that_shows_it() {
        for bad in ["x", "-1 x", " 1 x", "18446744073709551616 x"] {
            assert!(merge(Conflict::new("k", &[Version::new(bad, 1, 1)])).unwrap_err().contains(bad));
        }
    }
}
