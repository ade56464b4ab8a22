//! A set whose elements are added and removed: each line is `+` or `-`, a time and an element, and for each element the latest line counts,
//! a removal before an addition of the same time. A deleted key is the removal of all
//! elements of the base, which its deleter saw.
use std::collections::BTreeMap;

use kvnode::{Conflict, Verdict, Version};

/// The most bytes that the versions and the base may have together: three quarters of a call's default fuel are enough for that. A handler that
/// gives up says why, one that runs out of fuel is a trap.
const MAX_BYTES: usize = 32 << 10;

kvnode::handler!(merge);

/// The latest change of an element. A removal is greater than an addition of the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    time: u64,
    removed: bool,
}

type Set<'a> = BTreeMap<&'a str, Change>;

fn merge(c: Conflict) -> Result<Verdict, String> {
    if c.versions.iter().chain(c.base).map(|v| v.value().len()).sum::<usize>() > MAX_BYTES {
        return Err(format!("the versions have more than {} bytes", MAX_BYTES));
    }
    let mut set = Set::new();
    for v in c.versions {
        if v.deleted() {
            c.base.map_or(Ok(()), |seen| read(seen, true, &mut set))?;
        } else {
            read(v, false, &mut set)?;
        }
    }
    if set.values().all(|change| change.removed) && c.versions.iter().any(Version::deleted) {
        return Ok(Verdict::Delete);
    }
    Ok(Verdict::set(write(&set)))
}

/// Takes the version's lines into the set, as removals when all of them are to be removed.
fn read<'a>(v: &Version<'a>, remove: bool, set: &mut Set<'a>) -> Result<(), String> {
    let text = std::str::from_utf8(v.value()).map_err(|e| e.to_string())?;
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (element, change) =
            parse(line).ok_or_else(|| format!("the line {:?} is not: + or -, a time, an element", start(line)))?;
        let change = Change { removed: change.removed || remove, ..change };
        let latest = set.entry(element).or_insert(change);
        *latest = change.max(*latest);
    }
    Ok(())
}

/// Returns what an error shows of a line: writing a character that is not ASCII for people takes thousands of units of fuel.
fn start(line: &str) -> String {
    line.chars().take(40).collect()
}

fn parse(line: &str) -> Option<(&str, Change)> {
    let mut words = line.splitn(3, ' ');
    let removed = match words.next()? {
        "+" => false,
        "-" => true,
        _ => return None,
    };
    let time = words.next()?.parse().ok()?;
    Some((words.next()?, Change { time, removed }))
}

fn write(set: &Set) -> String {
    let mut text = String::new();
    for (element, change) in set {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(if change.removed { "- " } else { "+ " });
        text.push_str(&change.time.to_string());
        text.push(' ');
        text.push_str(element);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(versions: &[Version]) -> String {
        say(Conflict::new("tags", versions))
    }

    fn say(c: Conflict) -> String {
        match merge(c) {
            Ok(Verdict::Set(value)) => String::from_utf8(value.to_vec()).unwrap(),
            other => format!("{:?}", other),
        }
    }

    #[test]
    fn the_latest_line_of_an_element_counts() {
        let (a, b) = (Version::new("+ 1 apple\n- 5 pear", 1, 1), Version::new("- 2 apple\n+ 4 pear\n+ 3 plum", 2, 2));
        assert_eq!(set(&[a, b]), "- 2 apple\n- 5 pear\n+ 3 plum");
    }

    #[test]
    fn a_removal_wins_at_the_same_time() {
        assert_eq!(set(&[Version::new("- 1 a", 1, 1), Version::new("+ 1 a", 2, 2)]), "- 1 a");
    }

    #[test]
    fn a_delete_removes_what_it_saw_and_no_more() {
        let base = Version::new("+ 1 a\n+ 2 b", 1, 1);
        let versions = [Version::delete(3, 1), Version::new("+ 1 a\n+ 2 b\n+ 3 c", 4, 2)];
        assert_eq!(say(Conflict::new("k", &versions).with_base(&base)), "- 1 a\n- 2 b\n+ 3 c");
        assert_eq!(set(&versions), "+ 1 a\n+ 2 b\n+ 3 c");
    }

    #[test]
    fn a_delete_that_leaves_nothing_deletes_the_key() {
        let base = Version::new("+ 1 a", 1, 1);
        let versions = [Version::delete(3, 1), Version::new("+ 1 a\n- 2 b", 4, 2)];
        assert_eq!(say(Conflict::new("k", &versions).with_base(&base)), "Ok(Delete)");
    }

    #[test]
    fn what_would_take_too_much_fuel_is_refused() {
        let half = format!("+ 1 {}", "x".repeat(MAX_BYTES / 2 - 4));
        let versions = [Version::new(&half, 1, 1), Version::new(&half, 2, 2)];
        assert_eq!(set(&versions), half);
        assert!(
            say(Conflict::new("k", &versions).with_base(&Version::new("+", 0, 0))).contains("more than 32768 bytes")
        );
    }

    #[test]
    fn an_error_shows_the_beginning_of_a_long_line() {
        let long = "é".repeat(1000);
        let text = merge(Conflict::new("k", &[Version::new(&long, 1, 1)])).unwrap_err();
        assert!(text.contains("éééé") && text.len() < 150, "{}", text);
    }

    #[test]
    fn what_is_no_such_line_is_an_error_that_shows_it() {
        for bad in ["apple", "+ apple", "* 1 apple", "+ -1 apple", "+ 1"] {
            assert!(merge(Conflict::new("k", &[Version::new(bad, 1, 1)])).unwrap_err().contains(bad));
        }
    }
}
