// SPDX-License-Identifier: GPL-2.0-or-later
//! Checks the pages of a stamped area and tells of those that are wrong.

use swapmig_workloads::protocol::Mismatch;

use crate::area::Area;
use crate::stamp::Stamp;

/// Mismatches told one by one; further ones are only counted.
const TOLD: usize = 16;

/// What is checked, in the words of a [`Mismatch`].
pub(crate) struct Check<'a> {
    /// What the area is made of.
    pub(crate) area: &'a str,
    /// In which step.
    pub(crate) step: &'a str,
    /// What the pages were stamped with.
    pub(crate) stamp: Stamp,
}

impl Check<'_> {
    /// Checks these pages; gives how many held what was written to them.
    ///
    /// A mismatch is told as soon as it is found, for the next page may be the
    /// one that kills; only the last one told waits for the number of the others.
    pub(crate) fn pages<E>(
        &self,
        area: &Area,
        pages: impl Iterator<Item = usize>,
        mut tell: impl FnMut(Mismatch) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut right = 0;
        let mut told = 0;
        let mut last: Option<Mismatch> = None;
        for page in pages {
            let Err(wrong) = self.stamp.check(page as u64, area.page(page)) else {
                right += 1;
                continue;
            };
            if let Some(last) = &mut last {
                last.more += 1;
                continue;
            }
            let mismatch = Mismatch {
                area: self.area.to_owned(),
                page: page as u64,
                offset: wrong.offset,
                expected: wrong.expected,
                found: wrong.found,
                step: self.step.to_owned(),
                more: 0,
            };
            told += 1;
            if told < TOLD {
                tell(mismatch)?;
            } else {
                last = Some(mismatch);
            }
        }
        if let Some(last) = last {
            tell(last)?;
        }
        Ok(right)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Of `pages` stamped pages spoils the first `wrong`; gives what a check tells and counts.
    fn check(pages: usize, wrong: usize) -> (Vec<Mismatch>, u64) {
        let stamp = Stamp {
            seed: 1,
            area: 2,
            generation: 3,
        };
        let mut area = Area::anonymous(pages).expect("a few pages");
        for page in 0..pages {
            stamp.write(page as u64, area.page_mut(page));
        }
        for page in 0..wrong {
            area.page_mut(page)[1] ^= 1;
        }
        let check = Check {
            area: "anon",
            step: "after a test",
            stamp,
        };
        let mut told = Vec::new();
        let Ok(right) = check.pages(&area, 0..pages, |mismatch| {
            told.push(mismatch);
            Ok::<_, Infallible>(())
        });
        (told, right)
    }

    #[test]
    fn right_pages_are_counted_and_not_told() {
        assert_eq!(check(20, 0), (vec![], 20));
    }

    #[test]
    fn every_wrong_page_is_told_or_counted() {
        for wrong in [1, TOLD - 1, TOLD, TOLD + 1, 40] {
            let (told, right) = check(40, wrong);
            assert_eq!(right, (40 - wrong) as u64);
            assert_eq!(told.len(), wrong.min(TOLD));
            assert!(told.iter().all(|mismatch| mismatch.offset == 8));
            let more: Vec<_> = told.iter().map(|mismatch| mismatch.more).collect();
            let (last, others) = more.split_last().expect("at least one");
            assert_eq!(*last, wrong.saturating_sub(TOLD) as u64);
            assert!(others.iter().all(|more| *more == 0));
        }
    }
}
