// SPDX-License-Identifier: GPL-2.0-or-later
//! The class of a crash.

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// The class of a crash, named as syzkaller names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The field's name of the kind, such as `KASAN-USE-AFTER-FREE-READ`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// A crash whose class has no name of its own.
    Unknown = "UNKNOWN",
    /// A sleeping function where sleeping is forbidden.
    AtomicSleep = "ATOMIC_SLEEP",
    /// A failed assertion.
    Bug = "BUG",
    /// The kernel went down without telling of memory corruption.
    Dos = "DoS",
    /// Something made no progress.
    Hang = "HANG",
    /// KASAN: a free of what is not, or no longer, allocated.
    KasanInvalidFree = "KASAN-INVALID-FREE",
    /// KASAN: a read near NULL.
    KasanNullRead = "KASAN-NULL-POINTER-DEREFERENCE-READ",
    /// KASAN: a write near NULL.
    KasanNullWrite = "KASAN-NULL-POINTER-DEREFERENCE-WRITE",
    /// KASAN: another invalid read.
    KasanRead = "KASAN-READ",
    /// KASAN: a read of freed memory.
    KasanUseAfterFreeRead = "KASAN-USE-AFTER-FREE-READ",
    /// KASAN: a write to freed memory.
    KasanUseAfterFreeWrite = "KASAN-USE-AFTER-FREE-WRITE",
    /// KASAN: another invalid write.
    KasanWrite = "KASAN-WRITE",
    /// KCSAN: a watched value was changed by somebody else.
    KcsanAssert = "KCSAN-ASSERT",
    /// KCSAN: a data race.
    KcsanDataRace = "KCSAN-DATARACE",
    /// KFENCE: a free of what is not, or no longer, allocated.
    KfenceInvalidFree = "KFENCE-INVALID-FREE",
    /// KFENCE: bytes beside an object were changed.
    KfenceMemoryCorruption = "KFENCE-MEMORY-CORRUPTION",
    /// KFENCE: another invalid read.
    KfenceRead = "KFENCE-READ",
    /// KFENCE: a read of freed memory.
    KfenceUseAfterFreeRead = "KFENCE-USE-AFTER-FREE-READ",
    /// KFENCE: a write to freed memory.
    KfenceUseAfterFreeWrite = "KFENCE-USE-AFTER-FREE-WRITE",
    /// KFENCE: another invalid write.
    KfenceWrite = "KFENCE-WRITE",
    /// KMSAN: kernel memory given away.
    KmsanInfoLeak = "KMSAN-INFO-LEAK",
    /// KMSAN: an uninitialised value decided something.
    KmsanUninitValue = "KMSAN-UNINIT-VALUE",
    /// Memory that nothing points to any more.
    Leak = "LEAK",
    /// A locking rule broken, as the kernel's own checks saw it.
    Lockdep = "LOCKDEP",
    /// Corrupted memory, not seen by a sanitiser.
    MemorySafetyBug = "MEMORY_SAFETY_BUG",
    /// An index out of its array's bounds, seen by UBSAN.
    MemorySafetyUbsan = "MEMORY_SAFETY_UBSAN",
    /// A NULL pointer dereference.
    NullPointerDereference = "NULL-POINTER-DEREFERENCE",
    /// A fuzzer that runs on the machine failed.
    FuzzerFailure = "SYZ_FAILURE",
    /// A reference count out of its range.
    RefcountWarning = "REFCOUNT_WARNING",
    /// Undefined behaviour.
    Ubsan = "UBSAN",
    /// The machine started again without a word.
    UnexpectedReboot = "UNEXPECTED_REBOOT",
    /// A warning.
    Warning = "WARNING",
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
