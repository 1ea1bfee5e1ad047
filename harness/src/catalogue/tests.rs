// SPDX-License-Identifier: GPL-2.0-or-later

use camino::Utf8Path;
use swapmig_reports::record::{Class, Expected};
use swapmig_workloads::protocol::Workload;

use super::{Expectation, Images, Line, TitlePattern, Variant, title_regex};

const LINE: &str = "name = 'x'\nsummary = 's'\ntarball = '/t'\nconfigs = ['base']\nsteps = { whole = 1, variant = 1 }\nroom_mib = { source = 1, objects = 1, kernel = 1 }\n";
const VARIANT: &str = "[[variant]]\nname = 'v'\norigin = 'o'\nsummary = 's'\nclasses = ['U4']\n";

fn line_error(text: &str) -> String {
    Line::parse(
        Utf8Path::new("images"),
        Utf8Path::new("kernels/x.toml"),
        text,
    )
    .unwrap_err()
    .to_string()
}

fn variant_error(text: &str) -> String {
    Variant::parse_table(Utf8Path::new("p/variants.toml"), text)
        .unwrap_err()
        .to_string()
}

#[test]
fn the_projects_own_catalogue_holds_together() {
    let images = Images::locate().unwrap();
    for name in images.line_names().unwrap() {
        let line = images.line(&name).unwrap();
        for config in &line.configs {
            assert!(config.is_file(), "{config}");
        }
        for variant in images.variants(&line).unwrap() {
            let broken = Workload::ALL
                .iter()
                .any(|&w| !matches!(variant.expectation(w), Expectation::Clean));
            assert_eq!(variant.patch.is_some(), broken, "{}", variant.name);
            if let Some(patch) = &variant.patch {
                crate::kernel::PatchFile::read(patch).unwrap();
            }
        }
    }
    let line = images.line("6.12").unwrap();
    let expected = |variant: &str, workload| {
        images
            .variant(&line, variant)
            .unwrap()
            .expectation(workload)
            .clone()
    };
    assert_eq!(
        expected("fixed", Workload::Orphan).to_record(),
        Expected::Clean
    );
    assert_eq!(
        expected("no-guard-anon", Workload::Reread).to_record(),
        Expected::Clean
    );
    assert_eq!(
        expected("refuse-unmapped", Workload::Orphan).to_record(),
        Expected::Refused {
            classes: vec![Class::U4]
        }
    );
    let matches = |expectation: &Expectation, title: &str| {
        matches!(expectation, Expectation::Titles(patterns)
            if patterns.iter().any(|p| title_regex(p.as_str()).unwrap().is_match(title)))
    };
    let orphan = expected("no-guard-anon", Workload::Orphan);
    for (title, is_expected) in [
        ("KASAN: slab-use-after-free in rmap_walk_anon", true),
        ("KASAN: slab-use-after-free Read in rmap_walk_anon", true),
        ("KASAN: slab-use-after-free in do_exit", false),
    ] {
        assert_eq!(matches(&orphan, title), is_expected, "{title}");
    }
    let reread = expected("rmap-walk-check", Workload::Reread);
    assert!(matches(
        &reread,
        "kernel BUG in migration_entry_wait_on_locked"
    ));
}

#[test]
fn mistakes_in_a_line_are_pointed_at() {
    for (text, at) in [
        (
            LINE.replace("summary", "sumary"),
            "kernels/x.toml:2:1: unknown field `sumary`",
        ),
        (
            LINE.replace("['base']", "'base'"),
            "kernels/x.toml:4:11: invalid type",
        ),
        (
            LINE.replace("'base'", "'../base'"),
            "kernels/x.toml:4:11: `../base` is no name",
        ),
        (
            LINE.replace("whole = 1", "whole = 'a'"),
            "kernels/x.toml:5:19: invalid type",
        ),
        (
            LINE.replace("name = 'x'", "name = "),
            "kernels/x.toml:1:8: ",
        ),
    ] {
        let error = line_error(&text);
        assert!(error.starts_with(at), "{error}");
        assert!(error.contains('^'), "{error}");
    }
    assert!(line_error(&LINE.replace("'x'", "'y'")).contains("a line is called as its file is"));
}

#[test]
fn mistakes_in_a_variant_are_pointed_at() {
    for (line, at) in [
        ("expect.orphan = { titles = ['a('] }", "p/variants.toml:6:"),
        ("expect.orphan = { titles = [] }", "p/variants.toml:6:"),
        (
            "expect.orphan = { refused = ['U9'] }",
            "p/variants.toml:6:30: unknown variant `U9`",
        ),
        (
            "expect.orphans = { refused = ['U4'] }",
            "p/variants.toml:6:8: unknown variant `orphans`",
        ),
        (
            "expect.orphan = { title = ['a'] }",
            "p/variants.toml:6:19: unknown variant `title`",
        ),
        (
            "pach = 'x.patch'",
            "p/variants.toml:6:1: unknown field `pach`",
        ),
        (
            "patch = '../x.patch'",
            "p/variants.toml:6:9: `../x.patch` is no name",
        ),
    ] {
        let error = variant_error(&format!("{VARIANT}{line}\n"));
        assert!(error.starts_with(at), "{line}: {error}");
        assert!(error.contains(&format!("    6 | {line}\n")), "{error}");
    }
    assert!(variant_error(&format!("{VARIANT}{VARIANT}")).contains("two variants called `v`"));
}

#[test]
fn unknown_names_list_the_known_ones() {
    let images = Images::locate().unwrap();
    let error = images.line("../6.12").unwrap_err().to_string();
    assert!(
        error.contains("no kernel line `../6.12`; known are: 6.12"),
        "{error}"
    );
    let error = images
        .variant(&images.line("6.12").unwrap(), "fxied")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no variant `fxied`; known are: fixed, "),
        "{error}"
    );
}

#[test]
fn a_title_pattern_matches_whole_titles_only() {
    let pattern = title_regex("a|b+").unwrap();
    assert!(pattern.is_match("a") && pattern.is_match("bb"));
    assert!(!pattern.is_match("ab") && !pattern.is_match("xa") && !pattern.is_match("a\nx"));
    assert!(TitlePattern::parse("a)(b").is_err());
}
