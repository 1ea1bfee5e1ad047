// SPDX-License-Identifier: GPL-2.0-or-later
//! From a sample's stack to frames.

use swapmig_reports::symbolize::{Call, Place, Symbolizer};
use swapmig_reports::trace::{Frame, Pc};

use crate::guest::diagnosis::Sample;

/// What is known of a kernel's code.
pub trait Code {
    /// Where an address lies.
    fn place(&self, address: u64) -> Option<Place>;
    /// The call that returns to an address.
    fn call(&self, after: u64) -> Option<Call>;
}

impl Code for Symbolizer {
    fn place(&self, address: u64) -> Option<Place> {
        Symbolizer::place(self, address)
    }

    fn call(&self, after: u64) -> Option<Call> {
        Symbolizer::call(self, after)
    }
}

/// The kernel's frames of a sample, innermost first; none in user mode.
///
/// Every word of the stack is a candidate that lies behind a call. One that lies behind a call to
/// the function before it is reliable; those between two such are what calls have left on the
/// stack, or were made through a pointer, and are marked, as the kernel marks them.
pub fn backtrace(sample: &Sample, code: &impl Code) -> Vec<Frame> {
    let Some(here) = code.place(sample.registers.rip) else {
        return Vec::new();
    };
    let candidates: Vec<(Place, Call)> = sample
        .stack
        .iter()
        .filter_map(|&word| Some((return_place(word, code)?, code.call(word)?)))
        .collect();
    let mut frames = vec![here.frame(Pc::Exact, true)];
    let mut rest = candidates.as_slice();
    let mut function = here.start;
    while !rest.is_empty() {
        let caller = rest
            .iter()
            .position(|(_, call)| *call == Call::Direct(function));
        let (skipped, callers) = rest.split_at(caller.unwrap_or(0));
        let left = |(place, _): &(Place, Call)| place.frame(Pc::Return, false);
        frames.extend(skipped.iter().map(left));
        let Some(((place, _), more)) = callers.split_first() else {
            break;
        };
        frames.push(place.frame(Pc::Return, caller.is_some()));
        (function, rest) = (place.start, more);
    }
    frames
}

/// Where a return address lies: a call that never returns may be the last instruction of its
/// function, and what follows it another one's first.
fn return_place(address: u64, code: &impl Code) -> Option<Place> {
    let mut place = code.place(address.checked_sub(1)?)?;
    place.offset += 1;
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::diagnosis::Registers;
    use std::time::Duration;

    /// Functions of 0x100 bytes from 0x1000 on. An address that ends in 8 follows a call through
    /// a pointer; one that ends in another digit a call to the function of that number.
    struct Fake(&'static [&'static str]);

    impl Code for Fake {
        fn place(&self, address: u64) -> Option<Place> {
            let number = address.checked_sub(0x1000)? / 0x100;
            let symbol = self.0.get(usize::try_from(number).ok()?)?;
            Some(Place {
                symbol: (*symbol).into(),
                start: 0x1000 + number * 0x100,
                offset: address & 0xff,
                size: 0x100,
            })
        }

        fn call(&self, after: u64) -> Option<Call> {
            match after & 0xf {
                0 => None,
                8 => Some(Call::Indirect),
                number => Some(Call::Direct(0x1000 + (number - 1) * 0x100)),
            }
        }
    }

    fn stack(rip: u64, stack: &[u64]) -> Vec<(String, bool)> {
        let sample = Sample {
            at: Duration::ZERO,
            cpu: 0,
            registers: Registers {
                rip,
                ..Registers::default()
            },
            stack: stack.to_vec(),
            left_user: None,
            task: None,
        };
        backtrace(&sample, &Fake(&["a", "b", "c", "d"]))
            .into_iter()
            .map(|frame| (frame.symbol, frame.reliable))
            .collect()
    }

    fn frames(expected: &[(&str, bool)]) -> Vec<(String, bool)> {
        expected
            .iter()
            .map(|&(symbol, reliable)| (symbol.to_owned(), reliable))
            .collect()
    }

    #[test]
    fn callers_are_those_that_call_the_function_before() {
        // b called a, c called b; between lies data, and a leftover of d.
        let found = stack(0x1010, &[0x7777, 0x1121, 0x1323, 0x1222]);
        let expected = [("a", true), ("b", true), ("d", false), ("c", true)];
        assert_eq!(found, frames(&expected));
    }

    #[test]
    fn a_call_through_a_pointer_is_followed_with_a_mark() {
        let found = stack(0x1010, &[0x1128, 0x1222]);
        assert_eq!(found, frames(&[("a", true), ("b", false), ("c", true)]));
    }

    #[test]
    fn a_call_at_the_end_of_a_function_is_that_functions() {
        let functions = Fake(&["a", "b", "c", "d"]);
        let place = return_place(0x1200, &functions).unwrap();
        assert_eq!((place.symbol.as_str(), place.offset), ("b", 0x100));
        assert_eq!(place.start, 0x1100);
    }

    #[test]
    fn what_is_no_return_address_is_no_frame() {
        assert_eq!(stack(0x1010, &[0x1120, 0x9999]), frames(&[("a", true)]));
        assert_eq!(stack(0x9999, &[0x1121]), frames(&[]));
    }
}
