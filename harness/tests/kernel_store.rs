// SPDX-License-Identifier: GPL-2.0-or-later
//! The way to a kernel, on a fake kernel source that builds in milliseconds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::fs;
use std::process::Command;
use std::sync::mpsc;

use camino::{Utf8Path, Utf8PathBuf};
use swapmig::catalogue::{Images, Line, Variant};
use swapmig::home::{Cancel, Home};
use swapmig::kernel::{
    BuildProgress, Kernel, KernelError, KernelStore, PatchFile, SourceId, Worktree,
};

/// As much of Kbuild's interface as a build touches. `CONFIG_FICTION` is unknown to this kernel,
/// `mm/migrate.c` decides what becomes of the build.
const MAKEFILE: &str = r##"
tinyconfig:
	@mkdir -p $(O)
	@echo CONFIG_CREPT_IN=y >$(O)/.config
olddefconfig:
	@sort $(O)/.config | grep -v FICTION >$(O)/.config.new
	@! grep -q '# CONFIG_CREPT_IN is not set' $(O)/.config.new || sed -i '/CREPT_IN=/d' $(O)/.config.new
	@mv $(O)/.config.new $(O)/.config
bzImage: vmlinux
	@mkdir -p $(O)/arch/x86/boot $(O)/include/config
	@echo '  BUILD   arch/x86/boot/bzImage'
	@cp $(O)/vmlinux $(O)/arch/x86/boot/bzImage
	@echo 1.2.3-fake >$(O)/include/config/kernel.release
vmlinux:
	@echo '  CC      mm/migrate.o'
	@! grep 'error:' mm/migrate.c
	@! grep -q 'sleep' mm/migrate.c || { touch $(O)/../../sleeping; sleep 600; }
	@echo built >>$(O)/builds
	@cat mm/migrate.c >$(O)/vmlinux
"##;

const MIGRATE: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n";

struct World {
    _dir: tempfile::TempDir,
    root: Utf8PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let world = Self { _dir: dir, root };
        world.write("linux/Makefile", MAKEFILE);
        world.write("linux/mm/migrate.c", MIGRATE);
        world.tar();
        world.write(
            "images/kernels/fake.toml",
            "name = 'fake'\nsummary = 'A fake.'\ntarball = '../../linux.tar.xz'\nconfigs = ['base']\n\
             steps = { whole = 4, variant = 2 }\n\
             room_mib = { source = 1, objects = 1, kernel = 1 }\n",
        );
        world.write(
            "images/config/base.config",
            "CONFIG_KASAN=y\nCONFIG_CREPT_IN=n\n",
        );
        let mut table = String::new();
        for (name, patch) in [
            ("fixed", None),
            ("broken", Some(replace("four", "FOUR"))),
            ("wrong", Some(replace("fore", "FOUR"))),
            (
                "uncompilable",
                Some(replace("four", "mm/migrate.c:4:1: error: no such thing")),
            ),
            ("slow", Some(replace("four", "sleep"))),
        ] {
            table += &format!(
                "[[variant]]\nname = '{name}'\norigin = 'o'\nsummary = 's'\nclasses = []\n"
            );
            if let Some(text) = patch {
                world.write(&format!("images/patches/fake/{name}.patch"), &text);
                table += &format!("patch = '{name}.patch'\n");
            }
        }
        world.write("images/patches/fake/variants.toml", &table);
        world
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn tar(&self) {
        let tarball = self.root.join("linux.tar.xz");
        let args = [
            "--create",
            "--xz",
            "--file",
            tarball.as_str(),
            "--directory",
            self.root.as_str(),
        ];
        assert!(
            Command::new("tar")
                .args(args)
                .arg("linux")
                .status()
                .unwrap()
                .success()
        );
    }

    fn images(&self) -> Images {
        Images::at(self.root.join("images"))
    }

    fn line(&self) -> Line {
        self.images().line("fake").unwrap()
    }

    fn variant(&self, name: &str) -> Variant {
        self.images().variant(&self.line(), name).unwrap()
    }

    fn home(&self) -> Home {
        Home::at(self.root.join("home")).unwrap()
    }

    fn store(&self) -> KernelStore {
        KernelStore::new(self.home()).with_jobs(2)
    }

    fn ensure(&self, variant: &str) -> Result<Kernel, KernelError> {
        self.store().ensure(
            &self.line(),
            &self.variant(variant),
            &Cancel::default(),
            &|_| {},
        )
    }

    /// What the kernel of a variant consists of.
    fn built(&self, variant: &str) -> String {
        fs::read_to_string(self.ensure(variant).unwrap().vmlinux).unwrap()
    }

    /// How many kernels were built in the source's one object tree.
    fn builds(&self) -> usize {
        let id = SourceId::of(&self.line()).unwrap();
        let tree = self
            .root
            .join(format!("home/sources/fake/fake-{}", id.version));
        let objects: Vec<_> = tree
            .read_dir_utf8()
            .unwrap()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.starts_with("objects-"))
            })
            .collect();
        assert_eq!(objects.len(), 1, "{objects:?}");
        fs::read_to_string(objects[0].join("builds"))
            .unwrap()
            .lines()
            .count()
    }
}

/// A patch that replaces the fourth line of `mm/migrate.c`.
fn replace(old: &str, new: &str) -> String {
    format!(
        "--- a/mm/migrate.c\n+++ b/mm/migrate.c\n@@ -2,5 +2,5 @@ context\n two\n three\n-{old}\n+{new}\n five\n six\n"
    )
}

fn parse_patch(text: &str) -> PatchFile {
    PatchFile::parse(Utf8Path::new("x.patch"), text.as_bytes().to_vec()).unwrap()
}

#[test]
fn builds_once_and_keeps_what_it_built() {
    let world = World::new();
    let seen = RefCell::new(Vec::new());
    let fixed = world.variant("fixed");
    assert_eq!(world.store().lookup(&world.line(), &fixed).unwrap(), None);
    let kernel = world
        .store()
        .ensure(&world.line(), &fixed, &Cancel::default(), &|step| {
            seen.borrow_mut().push(step)
        })
        .unwrap();
    assert!(kernel.build_seconds.is_some());
    assert_eq!(kernel.release, "1.2.3-fake");
    assert_eq!(kernel.source.name, "fake");
    assert_eq!(fs::read_to_string(&kernel.vmlinux).unwrap(), MIGRATE);
    let making = |done, step: &str| BuildProgress::Making {
        done,
        total: 4,
        step: step.to_owned(),
    };
    assert_eq!(
        seen.into_inner(),
        [
            BuildProgress::Unpacking {
                source: kernel.source.to_string()
            },
            BuildProgress::Patching,
            BuildProgress::Configuring,
            making(1, "CC mm/migrate.o"),
            making(2, "BUILD arch/x86/boot/bzImage"),
            BuildProgress::Storing,
        ]
    );

    let again = world.ensure("fixed").unwrap();
    assert_eq!(
        again,
        Kernel {
            build_seconds: None,
            ..kernel.clone()
        }
    );
    assert_eq!(
        world.store().lookup(&world.line(), &fixed).unwrap(),
        Some(again)
    );
    assert_eq!(world.builds(), 1);

    fs::write(kernel.dir.join("kernel.json"), "half a fi").unwrap();
    assert!(
        world.ensure("fixed").unwrap().build_seconds.is_some(),
        "a damaged entry is built again"
    );
}

#[test]
fn variants_share_a_tree_and_leave_no_trace_in_each_other() {
    let world = World::new();
    assert_eq!(world.built("broken"), MIGRATE.replace("four", "FOUR"));
    assert_eq!(world.built("fixed"), MIGRATE);
    assert_eq!(world.builds(), 2);
    assert_ne!(
        world.ensure("fixed").unwrap().key,
        world.ensure("broken").unwrap().key
    );
}

#[test]
fn a_patch_that_does_not_apply_names_patch_file_and_hunk() {
    let world = World::new();
    let error = world.ensure("wrong").unwrap_err();
    assert!(error.is_does_not_apply());
    let text = error.to_string();
    for part in [
        "wrong.patch does not apply to fake ",
        "hunk 1 of mm/migrate.c",
        "@@ -2,5 +2,5 @@",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(world.built("fixed"), MIGRATE, "the others go on");

    let check = |text: &str| {
        parse_patch(text)
            .check(&world.root.join("linux"), "fake 1")
            .unwrap_err()
            .to_string()
    };
    let missing = check("--- a/mm/gone.c\n+++ b/mm/gone.c\n@@ -1 +1 @@\n-a\n+b\n");
    assert!(
        missing.contains("mm/gone.c: the source has no such file"),
        "{missing}"
    );
    let applied = check(&replace("FOUR", "four"));
    assert!(
        applied.contains("mm/migrate.c: the source has the change already"),
        "{applied}"
    );
}

#[test]
fn a_patch_that_touches_more_than_its_unified_diffs_is_refused() {
    let world = World::new();
    world.write("linux/mm/other.c", MIGRATE);
    let unified = replace("four", "FOUR");
    let context = "*** a/mm/other.c\n--- b/mm/other.c\n***************\n*** 3,5 ****\n  three\n! four\n  five\n\
                   --- 3,5 ----\n  three\n! FOUR\n  five\n";
    let mode = "diff --git a/mm/other.c b/mm/other.c\nold mode 100644\nnew mode 100755\n";
    for other in [context, mode] {
        let text = format!("{unified}{other}");
        let error = Worktree::at(&world.root.join("linux"))
            .prepare(Some(&parse_patch(&text)), "fake 1")
            .unwrap_err();
        let KernelError::BadPatch {
            line: at, reason, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(at, unified.lines().count() + 1, "{reason}");
        assert!(reason.contains("mm/other.c"), "{reason}");
        let left = fs::read_to_string(world.root.join("linux/mm/migrate.c")).unwrap();
        assert_eq!(left, MIGRATE, "nothing was touched");
    }
    let link = "diff --git a/mm/link.c b/mm/link.c\nnew file mode 120000\n--- /dev/null\n+++ b/mm/link.c\n\
                @@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n";
    let error = parse_patch(link)
        .check(&world.root.join("linux"), "fake 1")
        .unwrap_err()
        .to_string();
    assert!(error.contains("symbolic link \"mm/link.c\""), "{error}");
}

#[test]
fn a_compiler_error_is_shown_with_the_log() {
    let world = World::new();
    let text = world.ensure("uncompilable").unwrap_err().to_string();
    assert!(
        text.contains("mm/migrate.c:4:1: error: no such thing"),
        "{text}"
    );
    assert!(text.contains("build-fake-uncompilable.log"), "{text}");
    assert_eq!(world.built("fixed"), MIGRATE);
}

#[test]
fn a_symbol_that_does_not_survive_is_named() {
    let world = World::new();
    world.write(
        "images/config/base.config",
        "CONFIG_KASAN=y\nCONFIG_FICTION=y\nCONFIG_CREPT_IN=n\n",
    );
    let text = world.ensure("fixed").unwrap_err().to_string();
    assert!(text.contains("CONFIG_FICTION (wanted y, got n)"), "{text}");
    assert!(
        !text.contains("CONFIG_KASAN") && !text.contains("CREPT_IN"),
        "{text}"
    );
}

#[test]
fn a_new_source_is_a_new_kernel_and_the_old_tree_goes() {
    let world = World::new();
    let old = world.ensure("broken").unwrap();
    world.write("linux/mm/migrate.c", &format!("zero\n{MIGRATE}"));
    world.tar();
    let new = world.ensure("broken").unwrap();
    assert_ne!(new.key, old.key);
    // Applied at an offset: point releases move lines.
    let expected = format!("zero\n{MIGRATE}").replace("four", "FOUR");
    assert_eq!(fs::read_to_string(new.vmlinux).unwrap(), expected);
    assert!(old.vmlinux.exists());
    let left = world
        .root
        .join("home/sources/fake")
        .read_dir_utf8()
        .unwrap()
        .count();
    assert_eq!(left, 2, "a tree and its journal");
    assert_eq!(world.builds(), 1);
}

#[test]
fn a_source_that_changes_while_it_is_unpacked_is_unpacked_again() {
    let world = World::new();
    let unpacked = RefCell::new(Vec::new());
    let progress = |step| {
        if let BuildProgress::Unpacking { source } = step {
            if unpacked.borrow().is_empty() {
                world.write("linux/mm/migrate.c", &format!("zero\n{MIGRATE}"));
                world.tar();
            }
            unpacked.borrow_mut().push(source);
        }
    };
    let kernel = world
        .store()
        .ensure(
            &world.line(),
            &world.variant("fixed"),
            &Cancel::default(),
            &progress,
        )
        .unwrap();
    assert_eq!(kernel.source, SourceId::of(&world.line()).unwrap());
    let built = fs::read_to_string(&kernel.vmlinux).unwrap();
    assert_eq!(built, format!("zero\n{MIGRATE}"));
    let unpacked = unpacked.into_inner();
    assert_eq!(unpacked.len(), 2);
    assert_eq!(unpacked[1], kernel.source.to_string());
}

#[test]
fn a_config_fragment_changes_the_key() {
    let world = World::new();
    let old = world.ensure("fixed").unwrap();
    world.write(
        "images/config/base.config",
        "CONFIG_KASAN=n\nCONFIG_CREPT_IN=n\n",
    );
    assert_ne!(world.ensure("fixed").unwrap().key, old.key);
    assert_eq!(world.builds(), 1, "the old config's object tree is gone");
    assert!(
        fs::read_to_string(old.dir.join("config"))
            .unwrap()
            .contains("CONFIG_KASAN=y")
    );
}

#[test]
fn two_builds_of_a_line_wait_for_each_other_and_build_once() {
    let world = World::new();
    let held = world
        .home()
        .lock("source-fake", &Cancel::default(), &|| {})
        .unwrap();
    let (send, waiting) = mpsc::channel();
    let build = |send: mpsc::Sender<String>| {
        let progress = move |step| {
            if let BuildProgress::Waiting { line } = step {
                send.send(line).unwrap();
            }
        };
        let (line, variant) = (world.line(), world.variant("fixed"));
        world
            .store()
            .ensure(&line, &variant, &Cancel::default(), &progress)
            .unwrap()
    };
    let build = &build;
    let kernels: Vec<_> = std::thread::scope(|scope| {
        let threads = [send.clone(), send].map(|send| scope.spawn(move || build(send)));
        assert_eq!(waiting.recv().unwrap(), "fake");
        assert_eq!(waiting.recv().unwrap(), "fake");
        drop(held);
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(
        kernels
            .iter()
            .filter(|kernel| kernel.build_seconds.is_some())
            .count(),
        1
    );
    assert_eq!(kernels[0].key, kernels[1].key);
    assert_eq!(world.builds(), 1);
}

#[test]
fn a_cancelled_wait_ends() {
    let world = World::new();
    let _held = world
        .home()
        .lock("source-fake", &Cancel::default(), &|| {})
        .unwrap();
    let cancel = Cancel::default();
    let ended = world
        .store()
        .ensure(&world.line(), &world.variant("fixed"), &cancel, &|_| {
            cancel.cancel()
        });
    assert!(matches!(ended, Err(KernelError::Cancelled)), "{ended:?}");
}

#[test]
fn a_cancelled_build_leaves_no_process_and_no_kernel() {
    let world = World::new();
    let cancel = Cancel::default();
    let sleeping = world.root.join("home/sources/fake/sleeping");
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !sleeping.exists() {
                std::thread::yield_now();
            }
            cancel.cancel();
        });
        world
            .store()
            .ensure(&world.line(), &world.variant("slow"), &cancel, &|_| {})
    });
    assert!(matches!(ended, Err(KernelError::Cancelled)), "{ended:?}");
    assert_eq!(
        world
            .store()
            .lookup(&world.line(), &world.variant("slow"))
            .unwrap(),
        None
    );
    // Every process of the build holds the lock: that it is free says that all are gone.
    drop(
        world
            .home()
            .lock("source-fake", &Cancel::default(), &|| {})
            .unwrap(),
    );
    assert_eq!(world.built("fixed"), MIGRATE);
}

#[test]
fn a_tree_comes_back_from_a_patch_that_broke_off() {
    let world = World::new();
    let tree = Worktree::at(&world.root.join("linux"));
    let new_file = "--- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+new\n";
    let patch = parse_patch(&format!("{}{new_file}", replace("four", "FOUR")));
    let (migrate, new) = (
        world.root.join("linux/mm/migrate.c"),
        world.root.join("linux/mm/new.c"),
    );
    let applied = world.root.join("linux.journal/applied.json");
    tree.prepare(Some(&patch), "fake 1").unwrap();
    assert!(new.exists());

    // Nothing is touched when the tree is there already.
    let modified = || fs::metadata(&migrate).unwrap().modified().unwrap();
    let before = modified();
    tree.prepare(Some(&patch), "fake 1").unwrap();
    assert_eq!(modified(), before);

    // Killed in the middle: one file half written, nothing said to be applied.
    fs::remove_file(&applied).unwrap();
    fs::write(&migrate, "one\ntw").unwrap();
    tree.prepare(None, "fake 1").unwrap();
    assert_eq!(fs::read_to_string(&migrate).unwrap(), MIGRATE);
    assert!(!new.exists());
    assert!(modified() > before, "make must compile it again");
    assert!(!world.root.join("linux.journal").exists());

    // Killed, and the same patch comes next; then a file changed under a finished patch.
    for damage in [&applied, &new] {
        tree.prepare(Some(&patch), "fake 1").unwrap();
        fs::remove_file(damage).unwrap();
        fs::write(&migrate, "garbage").unwrap();
        tree.prepare(Some(&patch), "fake 1").unwrap();
        assert_eq!(
            fs::read_to_string(&migrate).unwrap(),
            MIGRATE.replace("four", "FOUR")
        );
        assert_eq!(fs::read_to_string(&new).unwrap(), "new\n");
    }
}

#[test]
fn a_missing_package_and_a_missing_tarball_say_what_to_do() {
    let world = World::new();
    let fails = |text: &str| {
        let line = Line::parse(&world.root, Utf8Path::new("/nowhere/x.toml"), text).unwrap();
        SourceId::of(&line).unwrap_err().to_string()
    };
    let rest = "name = 'x'\nsummary = ''\nconfigs = []\nsteps = { whole = 1, variant = 1 }\n\
                room_mib = { source = 1, objects = 1, kernel = 1 }\ntarball = 'x.tar.xz'\n";
    let package = fails(&format!("{rest}package = 'linux-source-0.0'\n"));
    assert!(
        package.contains("`apt-get install linux-source-0.0`"),
        "{package}"
    );
    assert!(fails(rest).contains("/nowhere/x.tar.xz"));
}

#[test]
fn a_build_needs_room_for_what_is_not_there_yet() {
    let world = World::new();
    let toml = "images/kernels/fake.toml";
    let small = fs::read_to_string(world.root.join(toml)).unwrap();
    let huge = |part: &str| {
        let text = small.replace(&format!("{part} = 1"), &format!("{part} = {}", u32::MAX));
        assert_ne!(text, small);
        world.write(toml, &text);
    };
    let refused = |purpose: &str| {
        let text = world.ensure("fixed").unwrap_err().to_string();
        assert!(
            text.contains(purpose) && text.contains("SWAPMIG_HOME"),
            "{text}"
        );
    };
    for part in ["source", "objects", "kernel"] {
        huge(part);
        refused("unpacking a kernel source and building it needs");
    }
    // A build that fails leaves the source, and an object tree without a kernel.
    world.write(toml, &small);
    world.ensure("uncompilable").unwrap_err();
    for part in ["objects", "kernel"] {
        huge(part);
        refused("building a kernel needs");
    }
    huge("source");
    assert_eq!(world.built("fixed"), MIGRATE);
    huge("objects");
    assert!(world.ensure("broken").unwrap().build_seconds.is_some());
}
