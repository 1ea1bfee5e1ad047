// SPDX-License-Identifier: GPL-2.0-or-later
//! Page stamps: a whole page of words that no other page or generation has.

use serde::{Deserialize, Serialize};

/// Size of a page in bytes.
pub(crate) const PAGE: usize = 4096;
/// Words of a page.
pub(crate) const WORDS: usize = PAGE / 8;

/// A page as words.
pub(crate) type Page = [u64; WORDS];

/// What makes a stamp different from every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    /// Seed of the job.
    pub(crate) seed: u64,
    /// Which worker's area.
    pub(crate) area: u64,
    /// How often the area has been written.
    pub(crate) generation: u64,
}

/// A word that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Offset in bytes within the page.
    pub(crate) offset: u64,
    pub(crate) expected: u64,
    pub(crate) found: u64,
}

impl Stamp {
    /// Writes the whole page.
    pub(crate) fn write(self, index: u64, page: &mut Page) {
        for (word, expected) in page.iter_mut().zip(self.words(index)) {
            *word = expected;
        }
    }

    /// Checks the whole page; gives the first wrong word.
    pub(crate) fn check(self, index: u64, page: &Page) -> Result<(), Wrong> {
        match page
            .iter()
            .zip(self.words(index))
            .enumerate()
            .find(|(_, (found, expected))| *found != expected)
        {
            None => Ok(()),
            Some((word, (&found, expected))) => Err(Wrong {
                offset: word as u64 * 8,
                expected,
                found,
            }),
        }
    }

    fn words(self, index: u64) -> impl Iterator<Item = u64> {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let first = [self.seed, self.area, self.generation, index]
            .into_iter()
            .fold(0, |state, part| mix(state ^ part));
        (0..WORDS as u64).map(move |word| first.wrapping_add(word.wrapping_mul(STEP)))
    }
}

/// One step of splitmix64.
pub(crate) fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAMP: Stamp = Stamp {
        seed: 1,
        area: 2,
        generation: 3,
    };

    #[test]
    fn a_stamped_page_checks() {
        let mut page = [0; WORDS];
        STAMP.write(9, &mut page);
        assert_eq!(STAMP.check(9, &page), Ok(()));
    }

    #[test]
    fn another_index_generation_area_or_seed_is_wrong_from_the_first_byte() {
        let mut page = [0; WORDS];
        STAMP.write(9, &mut page);
        let others = [
            STAMP.check(10, &page),
            Stamp {
                generation: 4,
                ..STAMP
            }
            .check(9, &page),
            Stamp { area: 3, ..STAMP }.check(9, &page),
            Stamp { seed: 2, ..STAMP }.check(9, &page),
        ];
        for other in others {
            assert!(matches!(other, Err(Wrong { offset: 0, .. })));
        }
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_found_where_it_is(word in 0..WORDS, bit in 0..64u32) {
            let mut page = [0; WORDS];
            STAMP.write(5, &mut page);
            let expected = page[word];
            page[word] ^= 1 << bit;
            let wrong = Wrong { offset: word as u64 * 8, expected, found: page[word] };
            prop_assert_eq!(STAMP.check(5, &page), Err(wrong));
        }
    }
}
