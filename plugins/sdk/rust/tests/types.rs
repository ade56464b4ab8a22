//! What handlers see and answer, on the machine that builds them.
use kvnode::{Answer, Conflict, Verdict, Version};

fn newest(c: Conflict) -> Verdict {
    Verdict::Pick(c.versions.len() - 1)
}

kvnode::handler!(newest);

#[test]
fn a_conflict_shows_what_it_was_made_of() {
    let (versions, base) = ([Version::new("a", 1, 7), Version::delete(2, 8)], Version::new("o", 0, 0));
    let c = Conflict::new("k", &versions).with_base(&base);
    assert_eq!((c.key, c.now, c.versions.len()), (&b"k"[..], 2, 2));
    let seen: Vec<_> = c.versions.iter().map(|v| (v.value(), v.time(), v.origin(), v.deleted())).collect();
    assert_eq!(seen, [(&b"a"[..], 1, 7, false), (&b""[..], 2, 8, true)]);
    assert_eq!(c.base.map(Version::value), Some(&b"o"[..]));
    assert!(Conflict::new("k", &versions).base.is_none());
    assert_eq!((c.size(), Conflict::new("k", &versions).size()), (2, 1));
}

#[test]
fn verdicts_are_made_of_borrowed_and_owned_bytes() {
    assert_eq!(Verdict::set("x"), Verdict::Set(b"x"));
    assert_eq!(Verdict::set(&b"x"[..]), Verdict::set(vec![b'x']));
    assert_eq!(Verdict::error("no"), Verdict::error(String::from("no")));
}

#[test]
fn an_error_becomes_a_verdict() {
    let (good, bad): (Result<_, &str>, _) = (Ok(Verdict::Keep), Err::<Verdict, _>("no"));
    assert_eq!(good.into_verdict(), Verdict::Keep);
    assert_eq!(bad.into_verdict(), Verdict::error("no"));
    assert_eq!(newest(Conflict::new("k", &[Version::new("", 1, 1), Version::new("", 2, 1)])), Verdict::Pick(1));
}
