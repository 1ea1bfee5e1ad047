// SPDX-License-Identifier: GPL-2.0-or-later
//! Images made of the host's own programs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use cpio::newc;

use super::{Error, Image, ImageSpec, Libraries, SearchPath, Tools};

fn images_dir() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../images")
}

fn temporary() -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    (folder, path)
}

/// Any static program may stand for the guest binary.
fn spec() -> ImageSpec {
    let tools = Tools::default();
    ImageSpec {
        guest_binary: tools.busybox().unwrap(),
        images_dir: images_dir(),
        tools,
    }
}

/// Mode and content by path.
fn read_back(archive: &Utf8Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let bytes = std::fs::read(archive).unwrap();
    let mut rest = bytes.as_slice();
    let mut files = BTreeMap::new();
    loop {
        let mut entry = newc::Reader::new(rest).unwrap();
        if entry.entry().is_trailer() {
            return files;
        }
        assert_eq!(
            (
                entry.entry().uid(),
                entry.entry().gid(),
                entry.entry().mtime()
            ),
            (0, 0, 0)
        );
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        files.insert(
            entry.entry().name().to_owned(),
            (entry.entry().mode(), data),
        );
        rest = entry.finish().unwrap();
    }
}

/// File names of the libraries that the loader itself says a program needs.
fn asked_of_the_loader(program: &Utf8Path) -> BTreeSet<String> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    paths
        .filter_map(|path| Utf8Path::new(path).file_name())
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_image_holds_what_a_guest_needs_and_nothing_of_it_is_public() {
    let (_folder, out) = temporary();
    let image = Image::build(&spec(), &out).unwrap();
    let mode = image.initramfs.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        out.read_dir_utf8().unwrap().count(),
        1,
        "something was left beside the image"
    );

    let files = read_back(&image.initramfs);
    let modes = [
        ("init", 0o100_755),
        ("bin/busybox", 0o100_755),
        ("bin/sh", 0o120_777),
        ("usr/sbin/dropbear", 0o100_755),
        ("etc/dropbear/host_ed25519", 0o100_600),
        ("root", 0o040_700),
        ("root/.ssh", 0o040_700),
        ("root/.ssh/authorized_keys", 0o100_600),
        ("etc/passwd", 0o100_644),
        ("etc/group", 0o100_644),
        ("etc/shells", 0o100_644),
        ("dev/console", 0o020_600),
        ("proc", 0o040_555),
        ("sys", 0o040_555),
        ("tmp", 0o041_777),
        ("run", 0o040_755),
        ("mnt", 0o040_755),
    ];
    for (path, mode) in modes {
        assert_eq!(files.get(path).map(|(mode, _)| *mode), Some(mode), "{path}");
    }
    assert_eq!(files["bin/sh"].1, b"busybox");

    let dropbear = spec().tools.dropbear().unwrap();
    let libraries: BTreeSet<String> = files
        .iter()
        .filter(|(path, (mode, _))| path.starts_with("lib") && mode & 0o170_000 == 0o100_000)
        .filter_map(|(path, _)| Utf8Path::new(path).file_name().map(str::to_owned))
        .collect();
    assert_eq!(libraries, asked_of_the_loader(&dropbear));
}

#[test]
fn keys_are_of_the_run_and_fit_each_other() {
    let (_folder, out) = temporary();
    let one = Image::build(&spec(), &out).unwrap();
    let authorized = read_back(&one.initramfs)["root/.ssh/authorized_keys"]
        .1
        .clone();
    let private = ssh_key::PrivateKey::from_openssh(one.client_key.as_openssh()).unwrap();
    let public = private.public_key().to_openssh().unwrap();
    assert_eq!(String::from_utf8(authorized).unwrap().trim_end(), public);
    assert!(
        ssh_key::PublicKey::from_bytes(&one.host_key)
            .unwrap()
            .algorithm()
            .is_ed25519()
    );
    assert!(
        !format!("{one:?}").contains("OPENSSH"),
        "a key would get into logs"
    );

    let two = Image::build(&spec(), &out).unwrap();
    assert_ne!(one.client_key, two.client_key);
    assert_ne!(one.host_key, two.host_key);
    assert_eq!(one.digest, two.digest, "all but the keys is the same");
}

#[test]
fn a_missing_guest_binary_says_how_to_build_it() {
    let (_folder, out) = temporary();
    let error = Image::build(
        &ImageSpec {
            guest_binary: out.join("none"),
            ..spec()
        },
        &out,
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains(out.join("none").as_str()), "{error}");
    assert!(error.contains("ci/build-guest"), "{error}");
    assert_eq!(
        out.read_dir_utf8().unwrap().count(),
        0,
        "a failure left something behind"
    );
}

#[test]
fn a_guest_binary_that_needs_libraries_is_refused() {
    let (_folder, out) = temporary();
    let dynamic = spec().tools.dropbear().unwrap();
    let error = Image::build(
        &ImageSpec {
            guest_binary: dynamic,
            ..spec()
        },
        &out,
    )
    .unwrap_err();
    assert!(matches!(error, Error::NotStatic { .. }), "{error}");
    let script = out.join("script");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    let error = Image::build(
        &ImageSpec {
            guest_binary: script,
            ..spec()
        },
        &out,
    )
    .unwrap_err();
    assert!(matches!(error, Error::Elf { .. }), "{error}");
}

#[test]
fn missing_programs_name_their_packages() {
    let (_folder, out) = temporary();
    let none = || vec![out.join("none")];
    let without = [
        (
            Tools {
                busybox: none(),
                ..Tools::default()
            },
            "busybox-static",
        ),
        (
            Tools {
                dropbear: none(),
                ..Tools::default()
            },
            "dropbear-bin",
        ),
        (
            Tools {
                dropbearkey: none(),
                ..Tools::default()
            },
            "dropbear-bin",
        ),
    ];
    for (tools, package) in without {
        let error = Image::build(&ImageSpec { tools, ..spec() }, &out)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("apt-get install {package}")),
            "{error}"
        );
    }
}

#[test]
fn a_host_key_that_is_not_made_tells_what_the_program_said() {
    let (_folder, out) = temporary();
    let broken = out.join("dropbearkey");
    std::fs::write(&broken, "#!/bin/sh\nprintf 'no \\033 luck' >&2\nexit 3\n").unwrap();
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let tools = Tools {
        dropbearkey: vec![broken],
        ..Tools::default()
    };
    let error = Image::build(&ImageSpec { tools, ..spec() }, &out)
        .unwrap_err()
        .to_string();
    assert!(error.contains("exit status: 3: no \\x1b luck"), "{error}");
}

#[test]
fn libraries_are_followed_through_libraries_and_taken_once() {
    let (_folder, dir) = temporary();
    let cc = |name: &str, source: &str, flags: &[&str]| {
        let file = dir.join(format!("{name}.c"));
        std::fs::write(&file, source).unwrap();
        let output = dir.join(name);
        let status = Command::new("cc")
            .args([
                "-nostdlib",
                "-fPIC",
                "-Wl,--no-as-needed",
                "-Wl,--unresolved-symbols=ignore-all",
            ])
            .args(["-o", output.as_str(), file.as_str(), &format!("-L{dir}")])
            .args(flags)
            .status()
            .unwrap();
        assert!(status.success());
    };
    // a needs b and c, b needs c, c needs a again.
    cc("libc0.so", "int c0;", &["-shared"]);
    cc("libb0.so", "int b0;", &["-shared", "-lc0"]);
    cc("liba0.so", "int a0;", &["-shared", "-lb0", "-lc0"]);
    cc("libc0.so", "int c0;", &["-shared", "-la0"]);
    cc(
        "program",
        "int main(void) { return 0; }",
        &["-la0", "-Wl,-e,main"],
    );

    let search = SearchPath::of(vec![dir.clone()]);
    let found = Libraries::of(&dir.join("program"), &search).unwrap();
    let names: Vec<&str> = found.by_soname.keys().map(String::as_str).collect();
    assert_eq!(names, ["liba0.so", "libb0.so", "libc0.so"]);
    assert!(found.interpreter.is_some());

    // A file of the right name for another machine is passed over, and then it is missing.
    let mut foreign = std::fs::read(dir.join("libc0.so")).unwrap();
    foreign[18] = 3;
    std::fs::write(dir.join("libc0.so"), foreign).unwrap();
    let error = Libraries::of(&dir.join("program"), &search).unwrap_err();
    assert!(
        matches!(&error, Error::NoLibrary { soname, needed_by, .. }
            if soname == "libc0.so" && needed_by.file_name() == Some("liba0.so")),
        "{error}"
    );
}
