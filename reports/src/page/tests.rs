// SPDX-License-Identifier: GPL-2.0-or-later

use super::*;
use crate::fixture::{self, Build};

fn page(run: &Run) -> String {
    render(run).unwrap()
}

/// The page without tags: what a reader sees, entities aside.
fn visible(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let bare = regex::Regex::new("<[^>]*>")
        .unwrap()
        .replace_all(body, " ")
        .into_owned();
    let bare = bare.replace("&#x2f;", "/").replace(['\u{a0}'], " ");
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_page_asks_for_nothing_and_runs_nothing() {
    let page = page(&fixture::as_expected());
    assert!(
        page.contains(r#"content="default-src 'none'; style-src 'unsafe-inline'; img-src data:""#)
    );
    for wanted_by_no_page in [
        "<script",
        "<link",
        "<iframe",
        "@import",
        "url(",
        "src=\"",
        "http://",
        "https://",
        "javascript:",
    ] {
        assert!(!page.contains(wanted_by_no_page), "{wanted_by_no_page}");
    }
}

#[test]
fn a_reader_sees_verdicts_how_and_how_often() {
    let text = visible(&page(&fixture::as_expected()));
    for wanted in [
        "As expected: fixed passed, and all 3 broken variants were caught",
        "PASS 3/3 as expected",
        "FAIL 3/3 as expected",
        "KASAN: slab-use-after-free Read in rmap_walk_anon",
        "U4 moved 1,237–1,511",
        "caught 3 of 3; rate 43.9 % to 100 % at 95 %",
        "3 clean seeds: could miss a defect that shows in up to 63.2 % of seeds",
        "rmap_walk_anon to blame mm/rmap.c:2601",
        "tcg",
        "6 min 23 s",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in:\n{text}");
    }
}

#[test]
fn hostile_guests_stay_text() {
    let page = page(&fixture::hostile());
    assert!(!page.contains("<script") && !page.contains("alert(1)</"));
    assert!(!page.contains(['\u{202e}', '\x1b', '\x07', '\0']));
    assert!(page.contains(r"\u{202e}") && page.contains("&lt;script&gt;"));
    // No attribute can be opened or closed by a guest either.
    assert!(!page.contains("exe\" onload"));
    assert_eq!(page.matches("<pre").count(), page.matches("</pre>").count());
    assert_eq!(
        page.matches("<details").count(),
        page.matches("</details>").count()
    );
    assert!(page.len() < 300_000, "{}", page.len());
}

#[test]
fn what_is_missing_is_said() {
    let text = visible(&page(&fixture::unfinished()));
    for wanted in [
        "has not ended",
        "NOT ENDED 1/1",
        "FAIL 1/2",
        "NOT ENDED 1/2",
        "no verdict in 1 of 2",
        "NOT RUN 1/1",
        "patch does not apply",
        "hunk 2 of mm/migrate.c does not apply",
        "INCONCLUSIVE 1/1 too little migrated",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in:\n{text}");
    }
}

#[test]
fn an_unreadable_result_names_its_file() {
    let run = Build::new()
        .cell("fixed", "orphan", 1, |c| c)
        .unreadable("fixed", "orphan", 2)
        .run();
    let text = visible(&page(&run));
    assert!(
        text.contains("UNREADABLE 1/2") && text.contains("cell.json:1:17"),
        "{text}"
    );
}

#[test]
fn a_mixed_group_shows_every_verdict_and_the_worst_standing() {
    let run = Build::new()
        .cell("fixed", "orphan", 1, |c| c)
        .cell("fixed", "orphan", 2, |c| c.fail_unexpectedly("BUG: x"))
        .cell("fixed", "orphan", 3, |c| c.error("QEMU died."))
        .run();
    let text = visible(&page(&run));
    assert!(
        text.contains("PASS 1/3 FAIL 1/3 ERROR 1/3 not as expected in 1 of 3"),
        "{text}"
    );
    assert!(
        text.contains(
            "Contradiction: fixed under orphan was expected to pass and failed in 1 of 3 seeds."
        ),
        "{text}"
    );
}

#[test]
fn every_reference_has_its_target_once() {
    for run in [
        fixture::as_expected(),
        fixture::unfinished(),
        fixture::hostile(),
    ] {
        let page = page(&run);
        let find = |pattern: &str| -> Vec<String> {
            regex::Regex::new(pattern)
                .unwrap()
                .captures_iter(&page)
                .map(|c| c[1].to_owned())
                .collect()
        };
        let ids = find(r#" id="([^"]+)""#);
        assert_eq!(
            ids.iter().collect::<std::collections::BTreeSet<_>>().len(),
            ids.len()
        );
        for target in find(r##" href="#([^"]+)""##) {
            assert!(ids.contains(&target), "{target}");
        }
    }
}

#[test]
fn an_empty_run_still_has_a_page() {
    assert!(visible(&page(&Build::new().run())).contains("says nothing"));
}
