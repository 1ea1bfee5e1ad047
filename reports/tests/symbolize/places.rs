// SPDX-License-Identifier: GPL-2.0-or-later
//! Addresses without a trace: where they lie, and which of them a call returns to.

use object::{Object, ObjectSymbol};
use swapmig_reports::symbolize::Call;
use swapmig_reports::trace::Pc;

use crate::program::{Program, resolve};

const CALLS: &str = "\
volatile int sink;
void (*volatile through)(void);
__attribute__((noinline)) void called(void) { sink = 1; }
__attribute__((noinline)) int caller(void) {
    called();
    sink = 2;
    through();
    return sink;
}
int main(void) { through = called; return caller(); }
";

#[test]
fn every_address_has_its_function_and_calls_say_where_they_go() {
    let program = Program::of(&[("mm/main.c", CALLS)], &[]);
    let symbolizer = program.symbolizer();
    let bytes = std::fs::read(program.elf()).unwrap();
    let file = object::File::parse(bytes.as_slice()).unwrap();
    let function = |name: &str| {
        let symbol = file.symbols().find(|s| s.name() == Ok(name)).unwrap();
        (symbol.address(), symbol.size())
    };
    let (called, _) = function("called");
    let (caller, size) = function("caller");
    let mut calls = Vec::new();
    for address in caller..caller + size {
        let place = symbolizer.place(address).unwrap();
        assert_eq!(place.symbol, "caller");
        assert_eq!((place.start, place.offset), (caller, address - caller));
        assert!(place.size >= size);
        let found = resolve(&symbolizer, place.frame(Pc::Exact, true)).unwrap();
        assert_eq!(found[0].function, "caller");
        assert_eq!(found[0].file.as_deref(), Some("mm/main.c"));
        calls.extend(symbolizer.call(address));
    }
    assert!(calls.contains(&Call::Direct(called)), "{calls:?}");
    #[cfg(target_arch = "x86_64")]
    assert!(calls.contains(&Call::Indirect), "{calls:?}");
}

#[test]
fn an_address_outside_of_the_code_is_nowhere() {
    let symbolizer = Program::build(&[]).symbolizer();
    for address in [0, 1, u64::MAX, 0xffff_ffff_8100_0000] {
        assert_eq!(symbolizer.place(address), None);
        assert_eq!(symbolizer.call(address), None);
    }
}
