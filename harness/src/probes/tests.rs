// SPDX-License-Identifier: GPL-2.0-or-later
//! The project's own table and small ones, against made-up layouts and a compiled C object.

use std::collections::BTreeMap;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use swapmig_reports::record::{Class, ClassCounts};

use super::types::Wanted;
use super::{Armed, Error, Layout, Table, Unprobeable, Vmlinux};

const LAYOUT: Layout = Layout {
    flags: 0,
    mapping: 24,
    mapcount: 48,
    anon_vma_refcount: 128,
    swapcache: 8,
    swapbacked: 17,
    head: 6,
};

fn project_table() -> Table {
    let path = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/probes.toml");
    Table::load(&path).unwrap()
}

fn parse(text: &str) -> Result<Table, Error> {
    Table::parse(Utf8Path::new("probes.toml"), text)
}

fn probe(name: &str, rest: &str) -> String {
    format!(
        "[[probe]]\nname = \"{name}\"\nfunction = \"f\"\nfolio = \"$arg1\"\nswapcache = true\n\
         mapping = \"anon\"\n{rest}\n"
    )
}

fn hits(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn counts(attempted: u64, moved: u64) -> ClassCounts {
    ClassCounts { attempted, moved }
}

#[test]
fn the_projects_table_renders() {
    let armed = Armed::with_layout(project_table(), &LAYOUT, &BTreeMap::new());
    let text: Vec<String> = armed
        .probes()
        .iter()
        .map(|p| format!("p:swapmig/{} {}\n  if {}", p.name, p.definition, p.filter))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_folio_outside_the_swap_cache_is_asked_for_by_either_flag() {
    let text = probe("p", "").replace("swapcache = true", "swapcache = false");
    let armed = Armed::with_layout(parse(&text).unwrap(), &LAYOUT, &BTreeMap::new());
    assert_eq!(
        armed.probes()[0].filter,
        "(swapcache == 0 || swapbacked == 0) && kind == 1"
    );
}

#[test]
fn every_class_but_read_ahead_is_counted_by_the_projects_table() {
    let armed = Armed::with_layout(project_table(), &LAYOUT, &BTreeMap::new());
    let all: BTreeMap<String, u64> = armed.probes().iter().map(|p| (p.name.clone(), 0)).collect();
    let classes: Vec<Class> = armed.classify(&all).into_keys().collect();
    assert_eq!(
        classes,
        [Class::U2, Class::U3, Class::U4, Class::U5, Class::M]
    );
}

fn u3_and_m() -> Armed {
    let text = probe("both", "class = \"U3\"\nstage = \"moved\"\nminus = [\"m\"]")
        + &probe("m", "class = \"M\"\nstage = \"moved\"")
        + &probe("u3_try", "class = \"U3\"\nstage = \"attempted\"");
    Armed::with_layout(parse(&text).unwrap(), &LAYOUT, &BTreeMap::new())
}

#[test]
fn mapped_folios_are_subtracted_from_what_looks_like_them() {
    let classes = u3_and_m().classify(&hits(&[("both", 10), ("m", 4), ("u3_try", 50)]));
    assert_eq!(
        classes,
        [(Class::U3, counts(50, 6)), (Class::M, counts(4, 4))].into()
    );
}

#[test]
fn a_subtraction_never_wraps() {
    let classes = u3_and_m().classify(&hits(&[("both", 3), ("m", 4), ("u3_try", 0)]));
    assert_eq!(classes[&Class::U3], counts(0, 0));
}

#[test]
fn what_moved_was_attempted() {
    let classes = u3_and_m().classify(&hits(&[("both", 9), ("m", 0), ("u3_try", 2)]));
    assert_eq!(classes[&Class::U3], counts(9, 9));
}

#[test]
fn a_class_with_a_missing_probe_is_absent_not_zero() {
    let armed = u3_and_m();
    // Its own probe, the probe of its other stage, and the one that is subtracted.
    for missing in ["both", "u3_try", "m"] {
        let mut all = hits(&[("both", 9), ("m", 1), ("u3_try", 9)]);
        all.remove(missing);
        let classes = armed.classify(&all);
        assert!(!classes.contains_key(&Class::U3), "{missing}");
        assert_eq!(classes.contains_key(&Class::M), missing != "m", "{missing}");
    }
}

#[test]
fn an_unknown_probes_hits_count_for_nothing() {
    let classes = u3_and_m().classify(&hits(&[("both", 1), ("m", 0), ("u3_try", 1), ("x", 99)]));
    assert_eq!(classes.len(), 2);
}

#[test]
fn a_probe_whose_function_is_missing_is_left_out_and_named() {
    let reason = Unprobeable::OnlyClones {
        function: "try_to_migrate".into(),
        clones: vec!["try_to_migrate.isra.0".into()],
    };
    let missing = [("try_to_migrate".to_owned(), reason)].into();
    let armed = Armed::with_layout(project_table(), &LAYOUT, &missing);
    let [uncounted] = armed.uncounted() else {
        panic!("{:?}", armed.uncounted())
    };
    assert_eq!(
        (uncounted.probe.as_str(), uncounted.class),
        ("attempted_m", Some(Class::M))
    );
    assert_eq!(
        uncounted.reason.to_string(),
        "the compiler left of try_to_migrate only try_to_migrate.isra.0, whose arguments may differ"
    );
    let rest: BTreeMap<String, u64> = armed.probes().iter().map(|p| (p.name.clone(), 7)).collect();
    assert!(!rest.contains_key("attempted_m"));
    assert!(!armed.classify(&rest).contains_key(&Class::M));
    assert!(armed.classify(&rest).contains_key(&Class::U4));
}

#[test]
fn errors_of_a_table_point_at_line_and_column() {
    let cases = [
        (
            probe("p", "clas = \"U4\""),
            "line 7, column 1",
            "unknown field `clas`",
        ),
        (
            probe("p", "class = \"U9\"\nstage = \"moved\""),
            "line 7, column 9",
            "unknown variant `U9`",
        ),
        (
            probe("p", "left_swapcache = \"$arg9\""),
            "line 7, column 18",
            "use $arg1 to $arg6",
        ),
        (probe("P-1", ""), "line 2, column 8", "is no event name"),
        (
            probe("p", "stage = \"moved\""),
            "line 1, column 1",
            "class and stage belong together",
        ),
        (
            probe("p", "mapped = false"),
            "line 1, column 1",
            "needs large = false",
        ),
        ("[[probe]\n".to_owned(), "line 1, column 9", ""),
    ];
    for (text, place, problem) in cases {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains("probes.toml"), "{error}");
        assert!(
            error.contains(place) && error.contains(problem),
            "{text}\n{error}"
        );
    }
    let anon_vma = probe("p", "anon_vma = \"live\"").replace("\"anon\"", "\"ksm\"");
    assert!(
        parse(&anon_vma)
            .unwrap_err()
            .to_string()
            .contains("mapping = \"anon\"")
    );
}

#[test]
fn probes_that_contradict_each_other_are_named() {
    let cases = [
        (
            probe("p", "") + &probe("p", ""),
            "another probe has the same name",
        ),
        (probe("p", "minus = [\"q\"]"), "no other probe"),
        (probe("p", "minus = [\"p\"]"), "no other probe"),
        (
            probe("p", "class = \"U4\"\nstage = \"attempted\""),
            "no probe counts U4",
        ),
    ];
    for (text, problem) in cases {
        let error = parse(&text).unwrap_err();
        assert!(
            matches!(&error, Error::Table { probe, .. } if probe == "p"),
            "{error}"
        );
        assert!(error.to_string().contains(problem), "{error}");
    }
}

/// A shared object with debug information, made of C text.
fn compiled(text: &str, flags: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    let (source, object) = (path.join("source.c"), path.join("object.so"));
    std::fs::write(&source, text).unwrap();
    let status = Command::new("cc")
        .args([
            "-shared",
            "-fPIC",
            "-nostdlib",
            "-o",
            object.as_str(),
            source.as_str(),
        ])
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success());
    (folder, object)
}

const TYPES: &str = "
struct folio;
struct folio *declared_before_defined;
typedef struct { int counter; } atomic_t;
enum pageflags { PG_locked, PG_head = 6, PG_owner = 8, PG_swapcache = PG_owner, PG_swapbacked = 17, PG_minus = -2 };
struct page { unsigned long flags, inner_only; };
struct folio {
    union {
        struct {
            unsigned long flags;
            union { char list[16]; struct { void *pad; unsigned mlock; }; };
            void *mapping;
            unsigned bit : 3;
            atomic_t _mapcount;
        };
        struct page page;
    };
};
struct anon_vma { void *root; char sem[40]; atomic_t refcount; };
struct folio a; struct anon_vma b; enum pageflags c;
";

#[test]
fn offsets_and_values_are_read_from_debug_information() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let (_folder, object) = compiled(TYPES, &["-g", version]);
        let (found, _) = Vmlinux::new(&object)
            .inspect(&Layout::wanted(), &[])
            .unwrap();
        assert_eq!(found.structs["folio"]["mlock"], 16);
        assert!(
            !found.structs["folio"].contains_key("inner_only"),
            "a named member was entered"
        );
        assert_eq!(found.enums["pageflags"]["PG_minus"], -2);
        assert_eq!(
            Layout::from_types(&object, &found).unwrap(),
            Layout {
                flags: 0,
                mapping: 24,
                mapcount: 36,
                anon_vma_refcount: 48,
                swapcache: 8,
                swapbacked: 17,
                head: 6,
            }
        );
    }
}

#[test]
fn what_debug_information_lacks_is_named() {
    let (_folder, object) = compiled(&TYPES.replace("_mapcount", "_elsewhere"), &["-g"]);
    let armed = |object| {
        Armed::new(project_table(), &Vmlinux::new(object))
            .unwrap_err()
            .to_string()
    };
    assert!(
        armed(&object).contains("struct folio of"),
        "{}",
        armed(&object)
    );
    assert!(
        armed(&object).contains("has no _mapcount"),
        "{}",
        armed(&object)
    );

    let (_folder, object) = compiled(&TYPES.replace("enum pageflags", "enum others"), &["-g"]);
    assert!(
        armed(&object).contains("defines no enum pageflags"),
        "{}",
        armed(&object)
    );

    let (_folder, object) = compiled(TYPES, &[]);
    assert!(
        armed(&object).contains("no debug information"),
        "{}",
        armed(&object)
    );

    let text = object.with_file_name("text");
    std::fs::write(&text, "not a kernel").unwrap();
    assert!(
        armed(&text).contains("is not a kernel's vmlinux"),
        "{}",
        armed(&text)
    );
    assert!(armed(&object.with_file_name("none")).contains("cannot read"));
}

#[test]
fn functions_that_a_probe_would_not_see_whole_are_told_apart() {
    let text = "
int out;
__attribute__((noinline)) void plain(int a) { out = a; }
static inline __attribute__((always_inline)) void body(int a) { out += a; }
void copied(int a) { body(a); }
__attribute__((always_inline)) inline void both(int a) { out -= a; }
extern void both(int a);
void caller(int a) { both(a); plain(a); }
void clone_only(int a) __asm__(\"clone_only.isra.0\");
void clone_only(int a) { out = a; }
void twice(int a) { out = a; }
void twice_copy(int a) __asm__(\"twice.constprop.0\");
void twice_copy(int a) { out = a; }
void twice_cold(int a) __asm__(\"plain.cold\");
void twice_cold(int a) { out = a; }
void clone_onlyish(int a) { out = a; }
";
    let (_folder, object) = compiled(text, &["-g", "-O1"]);
    let asked = [
        "plain",
        "copied",
        "both",
        "clone_only",
        "clone",
        "twice",
        "absent",
    ];
    let (_, reasons) = Vmlinux::new(&object)
        .inspect(&Wanted::default(), &asked)
        .unwrap();
    let names: Vec<&str> = reasons.keys().map(String::as_str).collect();
    assert_eq!(names, ["absent", "both", "clone", "clone_only", "twice"]);
    assert!(matches!(&reasons["absent"], Unprobeable::Absent { .. }));
    assert!(matches!(&reasons["clone"], Unprobeable::Absent { .. }));
    assert!(
        matches!(&reasons["both"], Unprobeable::Inlined { unit, .. } if unit.ends_with("source.c"))
    );
    assert!(
        matches!(&reasons["clone_only"], Unprobeable::OnlyClones { clones, .. }
        if *clones == ["clone_only.isra.0"])
    );
    assert!(
        matches!(&reasons["twice"], Unprobeable::Cloned { clones, .. }
        if *clones == ["twice.constprop.0"])
    );
}
