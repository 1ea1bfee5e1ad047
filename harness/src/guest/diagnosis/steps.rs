// SPDX-License-Identifier: GPL-2.0-or-later
//! The steps of a diagnosis: their order, their limits, and what was tried.

use std::time::Duration;

use tokio::time::timeout;

use super::sample::Sample;

/// A step of a diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Registers, stacks and tasks of the virtual CPUs, from outside.
    Vcpus,
    /// What the kernel tells of itself.
    Sysrq,
    /// What a shell in the guest tells.
    Proc,
    /// All of its memory.
    Memory,
}

/// Every step in order, and its limit: so many times the time in which a guest has to answer.
const STEPS: [(Step, &str, u32); 4] = [
    (Step::Vcpus, "vcpus", 3),
    (Step::Sysrq, "sysrq", 3),
    (Step::Proc, "proc", 4),
    (Step::Memory, "memory", 20),
];

/// What a diagnosis has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// Files by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// Samples of the virtual CPUs, oldest first.
    pub samples: Vec<Sample>,
    /// How many bytes the console had when the guest was first made to print; none if it was not.
    pub unasked: Option<u64>,
}

impl Diagnosis {
    /// Adds to a file, which begins empty.
    pub fn append(&mut self, name: &str, content: &[u8]) {
        match self.files.iter_mut().find(|(known, _)| known == name) {
            Some((_, file)) => file.extend_from_slice(content),
            None => self.files.push((name.into(), content.into())),
        }
    }
}

/// Whoever can take a step.
pub(crate) trait Take {
    /// Takes it, keeps what it finds as it comes, and says in a clause what was done, or why not.
    fn take(
        &mut self,
        step: Step,
        found: &mut Diagnosis,
    ) -> impl Future<Output = Result<String, String>> + Send;
}

/// Takes every step, and tells in the file `steps` what became of each. What a step had found
/// before its limit passed is kept.
pub(crate) async fn carry_out(taker: &mut impl Take, answer_within: Duration) -> Diagnosis {
    let mut found = Diagnosis::default();
    for (step, name, times) in STEPS {
        let limit = answer_within * times;
        let told = match timeout(limit, taker.take(step, &mut found)).await {
            Ok(Ok(done)) => done,
            Ok(Err(why)) => format!("failed: {why}"),
            Err(_) => format!("no answer within {:.0} s", limit.as_secs_f64()),
        };
        let told = told.trim_end_matches('.');
        found.append("steps", format!("{name}: {told}.\n").as_bytes());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hangs in one step and fails in another.
    struct Half(Vec<Step>);

    impl Take for Half {
        async fn take(&mut self, step: Step, found: &mut Diagnosis) -> Result<String, String> {
            self.0.push(step);
            match step {
                Step::Vcpus => {
                    found.append("registers", b"RIP");
                    std::future::pending().await
                }
                Step::Sysrq => Err("nobody listens.".into()),
                Step::Proc | Step::Memory => Ok("done".into()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_hangs_or_fails_is_told_and_the_next_one_is_taken() {
        let mut half = Half(Vec::new());
        let began = tokio::time::Instant::now();
        let found = carry_out(&mut half, Duration::from_secs(8)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(24));
        assert_eq!(half.0, STEPS.map(|(step, _, _)| step));
        assert_eq!(found.files[0], ("registers".into(), b"RIP".to_vec()));
        let (_, told) = &found.files[1];
        assert_eq!(
            String::from_utf8_lossy(told),
            "vcpus: no answer within 24 s.\nsysrq: failed: nobody listens.\nproc: done.\nmemory: done.\n"
        );
    }
}
