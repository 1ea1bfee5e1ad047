// SPDX-License-Identifier: GPL-2.0-or-later
//! One console of every kind of crash and of every architecture, made up for this test:
//! the layout is the kernel's, the functions and numbers are not.

mod arm;
mod assertion;
mod fault;
mod hang;
mod lock;
mod memory;
mod panic;
mod powerpc;
mod riscv;
mod s390;
mod sample;
mod sanitizer;
