//! The probe of plugins/abitest, in Rust.
use kvnode::{Conflict, Verdict, Version};

kvnode::handler!(probe);

fn probe(c: Conflict) -> Result<Verdict, String> {
    let colon = c.key.iter().position(|&b| b == b':').unwrap_or(c.key.len());
    let arg = c.key.get(colon + 1..).unwrap_or_default();
    Ok(match &c.key[..colon] {
        b"keep" => Verdict::Keep,
        b"delete" => Verdict::Delete,
        b"pick" => Verdict::Pick(number(arg)?),
        b"set" => Verdict::set(arg),
        b"grow" => Verdict::set((0..number(arg)?).map(|i| (i % 251) as u8).collect::<Vec<_>>()),
        b"echo" => Verdict::set(echo(&c)),
        b"error" => Verdict::error(arg),
        b"log" => {
            kvnode::log(1, &String::from_utf8_lossy(arg));
            Verdict::Keep
        }
        b"trap" => panic!("the key is trap"),
        _ => Verdict::error("unknown command"),
    })
}

fn number(text: &[u8]) -> Result<usize, String> {
    let text = std::str::from_utf8(text).map_err(|e| e.to_string())?;
    text.parse().map_err(|_| format!("{:?} is no number", text))
}

fn echo(c: &Conflict) -> Vec<u8> {
    let mut out = b"key ".to_vec();
    blob(&mut out, c.key);
    out.extend(format!("now {}\nseed {}\n", c.now, c.seed).bytes());
    for v in c.versions {
        version(&mut out, "version", v);
    }
    match c.base {
        Some(v) => version(&mut out, "base", v),
        None => out.extend(b"base none\n"),
    }
    out
}

fn version(out: &mut Vec<u8>, name: &str, v: &Version) {
    out.extend(format!("{} {} {} {} ", name, v.time(), v.origin(), v.deleted() as u8).bytes());
    blob(out, v.value());
}

fn blob(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(format!("{}:", bytes.len()).bytes());
    out.extend(bytes);
    out.push(b'\n');
}
