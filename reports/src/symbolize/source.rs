// SPDX-License-Identifier: GPL-2.0-or-later
//! Places in the source, relative to the kernel tree.

/// A function at a place of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFrame {
    /// Function name.
    pub function: String,
    /// Source file, relative to the kernel tree.
    pub file: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<u32>,
    /// True when it was inlined into the next frame.
    pub inlined: bool,
}

/// A file's path within the tree, `roots` being where that may begin, each with a slash at its end.
pub(super) fn relative(file: &str, roots: &[Option<&str>]) -> String {
    let within = roots
        .iter()
        .flatten()
        .find_map(|root| file.strip_prefix(root));
    let file = within.unwrap_or(file);
    let mut parts: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative_to_the_tree() {
        let roots = [Some("/src/linux/"), Some("/obj/")];
        assert_eq!(relative("/src/linux/mm/rmap.c", &roots), "mm/rmap.c");
        assert_eq!(relative("/obj/../mm/rmap.c", &roots), "mm/rmap.c");
        assert_eq!(
            relative("/obj/./include/linux/mm.h", &roots),
            "include/linux/mm.h"
        );
        assert_eq!(relative("/elsewhere/a.c", &roots), "/elsewhere/a.c");
    }
}
