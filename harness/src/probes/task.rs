// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a kernel keeps its running tasks.

use std::fs::File;

use object::{Object, ObjectSymbol, ReadCache};

use super::types::Wanted;
use super::{Error, Vmlinux};
use crate::guest::diagnosis::TaskLayout;

/// A task.
const TASK: &str = "task_struct";
/// What a CPU has at hand, the running task among it; absent in other versions.
const HOT: &str = "pcpu_hot";

/// Where a kernel keeps its running tasks; none of a kernel that keeps them in another way.
pub fn task_layout(vmlinux: &Vmlinux) -> Result<Option<TaskLayout>, Error> {
    let wanted = Wanted {
        structs: vec![TASK, HOT],
        enums: Vec::new(),
    };
    let (found, _) = vmlinux.inspect(&wanted, &[])?;
    let symbols = Symbols::read(vmlinux)?;
    let member = |of: &str, name: &str| found.structs.get(of)?.get(name).copied();
    let in_hot = || Some(symbols.hot? + member(HOT, "current_task")?);
    Ok((|| {
        Some(TaskLayout {
            per_cpu_offset: symbols.per_cpu_offset?,
            current: in_hot().or(symbols.current_task)?,
            comm: member(TASK, "comm")?,
            pid: member(TASK, "pid")?,
            min_flt: member(TASK, "min_flt")?,
            maj_flt: member(TASK, "maj_flt")?,
        })
    })())
}

#[derive(Debug, Default)]
struct Symbols {
    per_cpu_offset: Option<u64>,
    hot: Option<u64>,
    current_task: Option<u64>,
}

impl Symbols {
    fn read(vmlinux: &Vmlinux) -> Result<Self, Error> {
        let path = vmlinux.path().to_owned();
        let file = File::open(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let cache = ReadCache::new(file);
        let elf = object::File::parse(&cache).map_err(|source| Error::Elf { path, source })?;
        let mut found = Self::default();
        for symbol in elf.symbols() {
            let place = match symbol.name() {
                Ok("__per_cpu_offset") => &mut found.per_cpu_offset,
                Ok(HOT) => &mut found.hot,
                Ok("current_task") => &mut found.current_task,
                _ => continue,
            };
            *place = Some(symbol.address());
        }
        Ok(found)
    }
}
