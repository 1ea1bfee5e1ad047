// SPDX-License-Identifier: GPL-2.0-or-later
//! One line of a stack to a frame, in the words of every architecture.
//!
//! | form | printed by |
//! |---|---|
//! | `[<addr>] ? func+0x1/0x2 [module build-id]` | x86, riscv, s390 |
//! | `func+0x1/0x2 (P)` | arm64 |
//! | `[<addr>] (func) from [<addr>] (caller+0x1/0x2)` | arm |
//! | `[sp] [addr] func+0x1/0x2 (unreliable)` | powerpc |
//! | `func+0x1/0x2 mm/rmap.c:12`, `func mm/rmap.c:12 [inline]` | a log that was symbolized |
//! | `func (mm/rmap.c:12) module` | the kernel's own `decode_stacktrace.sh` |

use super::report::{Frame, Location, Pc};

/// Bytes of a symbol; the kernel's own limit is 512.
const MAX_SYMBOL: usize = 512;
/// Bytes between the brackets of an address.
const MAX_ADDRESS: usize = 24;

/// A frame's line.
pub(super) struct Parsed {
    pub(super) frame: Frame,
    /// The function that the frame has called, which arm prints on the same line.
    pub(super) callee: Option<String>,
}

/// Reads a frame's line.
pub(super) fn parse(line: &str) -> Option<Parsed> {
    let lead = lead(line);
    if let Some((callee, caller)) = lead.rest.split_once(" from ") {
        let inner = self::lead(caller);
        let caller = inner.rest.trim_end();
        let caller = caller
            .strip_prefix('(')
            .map_or(caller, |rest| rest.strip_suffix(')').unwrap_or(rest));
        let callee = callee.trim_matches(['(', ')', ' ']);
        let callee = callee.split_once("+0x").map_or(callee, |(name, _)| name);
        if !is_symbol(callee) {
            return None;
        }
        return Some(Parsed {
            frame: body(caller, false)?,
            callee: Some(callee.to_owned()),
        });
    }
    let mut frame = body(lead.rest, lead.inlined)?;
    frame.reliable &= !lead.doubtful;
    Some(Parsed {
        frame,
        callee: None,
    })
}

/// Where the program counter of a register dump points.
pub(super) enum Counter {
    /// Into a function.
    Function(Frame),
    /// To where no function of the kernel's is.
    Nowhere,
}

/// Reads the line of the program counter.
///
/// What the link register holds is left out: the trace below tells the caller.
pub(super) fn program_counter(line: &str) -> Option<Counter> {
    const NAMES: &[&str] = &[
        "RIP: ",
        "EIP: ",
        "EIP is at ",
        "IP: ",
        "PC is at ",
        "pc : ",
        "epc : ",
        "NIP [",
        "Krnl PSW : ",
    ];
    if let Some(at) = interrupted(line) {
        return counter(at);
    }
    let name = NAMES.iter().find(|name| line.starts_with(*name))?;
    let mut rest = &line[name.trim_end_matches('[').len()..];
    match *name {
        // Printed once more at the end of an oops, beside the stack pointer.
        "EIP: " if rest.contains("SS:ESP") => return None,
        "RIP: " | "EIP: " => rest = rest.split_once(':').map_or(rest, selector),
        "Krnl PSW : " => rest = rest.split_once('(')?.1,
        _ => {}
    }
    counter(rest)
}

/// Where powerpc's exception struck: `--- interrupt: 700 at func+0x1/0x2`.
fn interrupted(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("--- interrupt: ")
        .or_else(|| line.strip_prefix("--- Exception: "))?;
    rest.split_once(" at ").map(|(_, at)| at)
}

fn counter(text: &str) -> Option<Counter> {
    let text = lead(text).rest;
    if let Some(frame) = body(text, false) {
        return Some(Counter::Function(Frame {
            pc: Pc::Exact,
            ..frame
        }));
    }
    // Old kernels have a word for zero.
    let address = text.starts_with("0x") || text.contains("(null)");
    address.then_some(Counter::Nowhere)
}

/// What follows the code segment's selector, as in `0010:func`.
fn selector<'a>((selector, rest): (&'a str, &'a str)) -> &'a str {
    let whole = selector.len() == 4 && selector.bytes().all(|b| b.is_ascii_hexdigit());
    if whole { rest } else { "" }
}

/// What stands before a symbol.
struct Lead<'a> {
    doubtful: bool,
    inlined: bool,
    rest: &'a str,
}

/// Passes markers such as `<IRQ>`, addresses in brackets, and the `?` of doubt.
fn lead(line: &str) -> Lead<'_> {
    let mut lead = Lead {
        doubtful: false,
        inlined: false,
        rest: line.trim_start(),
    };
    loop {
        let rest = lead.rest;
        let next = if let Some(after) = rest.strip_prefix("? ") {
            lead.doubtful = true;
            after
        } else if rest.starts_with("([<") {
            // s390 has parentheses around what its unwinder does not vouch for.
            lead.doubtful = true;
            &rest[1..]
        } else if let Some(after) = marker(rest) {
            after
        } else if let Some((address, after)) = bracketed(rest) {
            let address = address.trim_matches(['<', '>', ' ']);
            lead.inlined |= address == "inline";
            if !lead.inlined && !address.bytes().all(|b| b.is_ascii_hexdigit()) {
                return lead;
            }
            after
        } else {
            return lead;
        };
        lead.rest = next.trim_start();
    }
}

/// What follows a change of stacks: `<IRQ>`, `</IRQ>`, `<<EOE>>`, `<#DF>`.
fn marker(text: &str) -> Option<&str> {
    let end = text.find(' ').filter(|_| text.starts_with('<'))?;
    let inner = text[..end].trim_start_matches('<').strip_suffix('>')?;
    let inner = inner.trim_end_matches('>').trim_start_matches('/');
    let is = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'#' || b == b'_';
    (!inner.is_empty() && inner.bytes().all(is)).then(|| &text[end..])
}

fn bracketed(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    inner
        .split_once(']')
        .filter(|(address, _)| !address.is_empty() && address.len() <= MAX_ADDRESS)
}

/// A frame without what stands before its symbol.
fn body(text: &str, inlined: bool) -> Option<Frame> {
    if text.contains("+0x") {
        return offset_form(text);
    }
    // The other forms name a file: no colon, no frame.
    if !text.contains(':') {
        return None;
    }
    inlined_form(text, inlined).or_else(|| decoded_form(text))
}

/// A function of which no address was printed.
pub(super) fn named(symbol: &str) -> Frame {
    Frame {
        symbol: symbol.to_owned(),
        offset: 0,
        size: 0,
        module: None,
        build_id: None,
        reliable: true,
        pc: Pc::Return,
        location: None,
    }
}

/// `func+0x1/0x2` and what may follow it.
fn offset_form(text: &str) -> Option<Frame> {
    let (symbol, rest) = text.split_once("+0x")?;
    if !is_symbol(symbol) {
        return None;
    }
    let (offset, rest) = hex(rest)?;
    let (size, rest) = hex(rest.strip_prefix("/0x")?)?;
    let mut frame = Frame {
        offset,
        size,
        ..named(symbol)
    };
    tail(&mut frame, rest);
    Some(frame)
}

/// Module, place and doubt, in the order in which they come.
fn tail(frame: &mut Frame, mut rest: &str) {
    loop {
        rest = rest.trim_start_matches([' ', ')']);
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((module, after)) = inner.split_once(']') else {
                return;
            };
            let mut words = module.split(' ');
            let name = words.next().unwrap_or_default();
            let name = name.split_once('(').map_or(name, |(name, _)| name);
            if name.is_empty() || !name.bytes().all(is_name) {
                return;
            }
            frame.module = Some(name.to_owned());
            frame.build_id = words
                .next()
                .filter(|id| id.len() >= 8 && id.bytes().all(|b| b.is_ascii_hexdigit()))
                .map(str::to_owned);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("(unreliable)") {
            frame.reliable = false;
            rest = after;
        } else if rest.starts_with('(') && rest.contains(':') {
            frame.location = decoded(rest).map(|(location, _)| location);
            return;
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            let Some(location) = place(word, false) else {
                return;
            };
            frame.location = Some(location);
            rest = after;
        }
    }
}

/// `func mm/rmap.c:12 [inline]`.
fn inlined_form(text: &str, marked: bool) -> Option<Frame> {
    let text = text.trim_end();
    let (text, inline) = match text.strip_suffix(" [inline]") {
        Some(text) => (text, true),
        None => (text, marked),
    };
    let (symbol, file) = text.rsplit_once(' ').filter(|_| inline)?;
    // A file without a line number is still what follows an inlined function.
    if !is_symbol(symbol) || !file.contains(':') {
        return None;
    }
    Some(Frame {
        location: place(file, true),
        ..named(symbol)
    })
}

/// `func (mm/rmap.c:12 (discriminator 3)) module`.
fn decoded_form(text: &str) -> Option<Frame> {
    let (symbol, rest) = text.split_at(text.find(" (")?);
    if !is_symbol(symbol) {
        return None;
    }
    let (location, rest) = decoded(rest.trim_start())?;
    let module = rest.trim();
    Some(Frame {
        location: Some(location),
        module: (!module.is_empty() && module.bytes().all(is_name)).then(|| module.to_owned()),
        ..named(symbol)
    })
}

/// The places between parentheses, innermost first: the last is in the function itself.
fn decoded(text: &str) -> Option<(Location, &str)> {
    let mut depth = 0_usize;
    let end = text.bytes().position(|b| {
        match b {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })?;
    let location = text[1..end]
        .split(' ')
        .rev()
        .find_map(|word| place(word, false))?;
    Some((location, &text[end + 1..]))
}

/// `mm/rmap.c:12`, with or without a column.
fn place(word: &str, inlined: bool) -> Option<Location> {
    let (file, line) = word.trim_matches(['(', ')', ',']).rsplit_once(':')?;
    let mut place = (file, line.parse().ok()?);
    if let Some((file, line)) = file.rsplit_once(':')
        && let Ok(line) = line.parse()
    {
        place = (file, line);
    }
    let (file, line): (&str, u32) = place;
    Some(Location {
        file: relative(file)?,
        line,
        inlined,
    })
    .filter(|location| location.line > 0)
}

/// A source file within the kernel tree; none where the name leads out of it.
fn relative(file: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop()?;
            }
            "" => return None,
            part => parts.push(part),
        }
    }
    let (_, extension) = parts.last()?.rsplit_once('.')?;
    let plain = |b: u8| is_name(b) || matches!(b, b'.' | b'/' | b'+' | b',');
    (!extension.is_empty() && extension.len() <= 4 && file.bytes().all(plain))
        .then(|| parts.join("/"))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// True of names that compilers give to functions, Rust's paths included.
fn is_symbol(text: &str) -> bool {
    let mut bytes = text.bytes();
    let path = text.starts_with('<');
    let first = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.' | b'$' | b'<');
    let other = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'_' | b'.' | b'$' | b':' | b'<' | b'>' | b'{' | b'}' | b'#'
            )
            || path
                && matches!(
                    b,
                    b' ' | b',' | b'&' | b'*' | b'[' | b']' | b'(' | b')' | b'-'
                )
    };
    text.len() <= MAX_SYMBOL
        && bytes.next().is_some_and(first)
        && bytes.all(other)
        // `name: text` is no symbol; Rust's colons come in pairs.
        && !text.replace("::", "").contains(':')
}

/// The hexadecimal number that a text begins with, and what follows it.
fn hex(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((u64::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: &str) -> Frame {
        parse(line).unwrap_or_else(|| panic!("{line}")).frame
    }

    fn shown(line: &str) -> String {
        frame(line).to_string()
    }

    #[test]
    fn every_architecture() {
        for line in [
            " rmap_walk+0x1f/0x2a0",
            "rmap_walk+0x1f/0x2a0",
            " [<ffffffff81234567>] rmap_walk+0x1f/0x2a0",
            "[<ffffffff81234567>] [<ffffffff81234567>] rmap_walk+0x1f/0x2a0",
            " <IRQ>  [<ffffffff81234567>] rmap_walk+0x1f/0x2a0",
            " <<EOE>>  <IRQ> rmap_walk+0x1f/0x2a0",
            " <#DF>  rmap_walk+0x1f/0x2a0",
            " rmap_walk+0x1f/0x2a0 (P)",
            " rmap_walk+0x1f/0x2a0 mm/rmap.c:12",
            "[c000000007a3fb10] [c0000000004d2a58] rmap_walk+0x1f/0x2a0",
            " [<0000000a1b2c3d4e>] rmap_walk+0x1f/0x2a0 ",
            "[<c0321040>] (folio_referenced) from [<c0321fb4>] (rmap_walk+0x1f/0x2a0)",
            " folio_referenced from rmap_walk+0x1f/0x2a0",
        ] {
            assert_eq!(shown(line), "rmap_walk+0x1f/0x2a0", "{line}");
            assert!(frame(line).reliable, "{line}");
        }
    }

    #[test]
    fn doubt() {
        for line in [
            " ? rmap_walk+0x1f/0x2a0",
            " [<ffffffff81234567>] ? rmap_walk+0x1f/0x2a0",
            "[c000000007a3fb10] [c0000000004d2a58] rmap_walk+0x1f/0x2a0 (unreliable)",
            "([<0000000a1b2c3d4e>] rmap_walk+0x1f/0x2a0)",
        ] {
            assert!(!frame(line).reliable, "{line}");
        }
    }

    #[test]
    fn modules_and_build_ids() {
        let plain = frame(" ext_read+0x10/0x20 [ext]");
        assert_eq!(
            (plain.module.as_deref(), plain.build_id),
            (Some("ext"), None)
        );
        let known = frame(" ext_read+0x10/0x20 [ext d0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3] (P)");
        assert_eq!(known.module.as_deref(), Some("ext"));
        assert_eq!(
            known.build_id.as_deref(),
            Some("d0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3")
        );
        assert_eq!(
            frame(" ext_read+0x10/0x20 [ext(OE)]").module.as_deref(),
            Some("ext")
        );
    }

    #[test]
    fn places() {
        let at = |line: &str| {
            let location = frame(line).location;
            location.map(|l| (l.file, l.line, l.inlined))
        };
        let rmap = |line, inlined| Some(("mm/rmap.c".to_owned(), line, inlined));
        assert_eq!(at(" walk+0x1/0x2 mm/rmap.c:12"), rmap(12, false));
        assert_eq!(at(" walk+0x1/0x2 ./mm/rmap.c:12:7"), rmap(12, false));
        assert_eq!(at(" walk+0x1/0x2 [ext] mm/rmap.c:12"), rmap(12, false));
        assert_eq!(at(" walk+0x1/0x2 (mm/rmap.c:12)"), rmap(12, false));
        assert_eq!(at(" walk mm/rmap.c:12 [inline]"), rmap(12, true));
        assert_eq!(
            at(" [<     inline     >] walk mm/rmap.c:12"),
            rmap(12, true)
        );
        assert_eq!(
            at(" walk (include/linux/mm.h:3 mm/rmap.c:12 (discriminator 3)) ext"),
            rmap(12, false)
        );
        assert_eq!(
            at("[<c0321040>] (walk) from [<c0321fb4>] (walk mm/rmap.c:12 [inline])"),
            rmap(12, true)
        );
        assert_eq!(at(" walk+0x1/0x2 ../../etc/x.c:12"), None);
        assert_eq!(at(" walk+0x1/0x2 /etc/x.c:12"), None);
        assert_eq!(at(" walk mm/rmap.c:-1 [inline]"), None);
    }

    #[test]
    fn registers() {
        for line in [
            "RIP: 0010:walk+0x1/0x2",
            "RIP: e030:[<ffffffff81234567>]  [<ffffffff81234567>] walk+0x1/0x2",
            "IP: [<ffffffff81234567>] walk+0x1/0x2",
            "EIP: walk+0x1/0x2",
            "EIP is at walk+0x1/0x2",
            "pc : walk+0x1/0x2",
            "PC is at walk+0x1/0x2",
            "epc : walk+0x1/0x2",
            "NIP [c0000000004d2a58] walk+0x1/0x2",
            "Krnl PSW : 0704c00180000000 0000000a1b2c3d4e (walk+0x1/0x2 [ext])",
            "--- interrupt: 700 at walk+0x1/0x2",
            "RIP: 0010:walk (mm/rmap.c:12)",
            "pc : walk (include/linux/mm.h:3 mm/rmap.c:12 (discriminator 3)) ext",
        ] {
            let Some(Counter::Function(frame)) = program_counter(line) else {
                panic!("{line}");
            };
            assert_eq!(
                (frame.pc, frame.symbol.as_str()),
                (Pc::Exact, "walk"),
                "{line}"
            );
        }
        for line in [
            "RIP: 0033:0x401b06",
            "RIP: 0010:0x0",
            "RIP: 0010:[<          (null)>]           (null)",
            "--- interrupt: c00 at 0x7fff8c1e2d40",
            "PC is at 0x0",
        ] {
            let counter = program_counter(line);
            assert!(matches!(counter, Some(Counter::Nowhere)), "{line}");
        }
        for line in [
            "lr : walk+0x1/0x2",
            "EIP: [<c0123456>] walk+0x1/0x2 SS:ESP 0068:f5c3fe90",
            "pc : [<c0321040>]    lr : [<c0321fb4>]    psr: 60000013",
        ] {
            assert!(program_counter(line).is_none(), "{line}");
        }
    }

    #[test]
    fn rust_paths() {
        assert_eq!(
            shown(" <kernel::list::List<T> as Drop>::drop+0x1/0x2"),
            "<kernel::list::List<T> as Drop>::drop+0x1/0x2"
        );
        assert_eq!(
            frame(" core::ops::call_once{{vtable.shim}}+0x1/0x2").offset,
            1
        );
    }

    #[test]
    fn what_is_no_frame() {
        for line in [
            "ODEBUG: free active object type: timer_list hint: walk+0x0/0x2",
            "hardirqs last  enabled at (12): [<c0123456>] walk+0x1/0x2",
            " #0: ffff888012345678 (&mm->mmap_lock){++++}-{3:3}, at: walk+0x1/0x2",
            " r5:8b034ac0 r4:83381938",
            " 0xffffffff81234567",
            "walk mm/rmap.c:12 says hello",
            "initcall walk+0x0/0x12 returned 0 after 3 usecs",
            "",
        ] {
            assert!(parse(line).is_none(), "{line}");
        }
    }
}
