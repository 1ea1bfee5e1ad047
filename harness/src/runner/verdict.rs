// SPDX-License-Identifier: GPL-2.0-or-later
//! From evidence to a verdict. Pure, and the one place where a PASS can come from.

use std::collections::BTreeMap;

use swapmig_reports::record::{Class, ClassCounts, Ended, Expected, Finding, FindingKind, Status};

use super::findings::refusal_title;
use crate::catalogue::title_regex;
use crate::guest::escape::escape;

/// All that a verdict depends on.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// How the guest ended.
    pub ended: &'a Ended,
    /// Whether the workload began.
    pub started: bool,
    /// Whether the console holds all that the kernel and the workload had to say.
    pub console_whole: bool,
    /// What the host could not do for the guest, if so.
    pub host_failed: Option<&'a str>,
    /// Why the guest did not get the time that it should have had, if so.
    pub host_late: Option<&'a str>,
    /// Findings, the first one first.
    pub findings: &'a [Finding],
    /// Titles of traces from before the workload.
    pub boot_traces: &'a [String],
    /// How often each class migrated; absent where it could not be counted.
    pub classes: &'a BTreeMap<Class, ClassCounts>,
    /// Probes that the guest's kernel refused, and what it said.
    pub refused_probes: &'a BTreeMap<String, String>,
    /// How often each class has to migrate.
    pub at_least: &'a BTreeMap<Class, u64>,
    /// Pages whose content was verified.
    pub verified: u64,
    /// What the variant is expected to do.
    pub expected: &'a Expected,
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub status: Status,
    /// Sentences, most important first.
    pub reasons: Vec<String>,
    /// Whether it is the expected one, for the expected reason.
    pub as_expected: bool,
}

/// Judges a cell.
pub fn judge(evidence: &Evidence<'_>) -> Judgement {
    let (status, reasons) = status(evidence);
    Judgement {
        status,
        as_expected: as_expected(evidence, status),
        reasons,
    }
}

fn status(evidence: &Evidence<'_>) -> (Status, Vec<String>) {
    if !evidence.boot_traces.is_empty() && !matches!(evidence.ended, Ended::BootFailed { .. }) {
        return (
            Status::Error,
            vec![format!(
                "The kernel printed a trace before the workload began, so nothing can be said of migration: {}.",
                evidence.boot_traces.join("; ")
            )],
        );
    }
    let of_kind = |kind| evidence.findings.iter().any(|finding| finding.kind == kind);
    let has_trace = of_kind(FindingKind::Trace);
    if let Some(reason) = evidence.host_late
        && of_kind(FindingKind::Hang)
        && evidence
            .findings
            .iter()
            .all(|f| f.kind == FindingKind::Hang)
    {
        // A detector that measures time cannot tell a late host from a kernel that hangs.
        return (
            Status::Error,
            vec![format!(
                "{}, but the host may be to blame: {reason}.",
                evidence.findings[0].title
            )],
        );
    }
    if let Some(reason) = evidence.host_failed.filter(|_| !has_trace) {
        // A page that the host lost is not the kernel's fault.
        return (
            Status::Error,
            vec![format!("The guest was let down: {reason}.")],
        );
    }
    // What the kernel printed or lost during the workload stands, however the guest ended afterwards.
    if evidence.started
        && let Some(first) = evidence.findings.first()
    {
        let mut reasons = vec![format!("{}.", first.title)];
        match evidence.findings.len() {
            1 => {}
            n => reasons.push(format!(
                "{} further finding(s) followed; they may be its consequences.",
                n - 1
            )),
        }
        return (Status::Fail, reasons);
    }
    match evidence.ended {
        Ended::Done if !evidence.console_whole => (
            Status::Error,
            vec!["The console does not show all that happened: the workload's begin or end is missing, a message or an event was lost, or the kernel is tainted by a trace that is not there. Look for a full disk, then run the cell again.".into()],
        ),
        Ended::Done => without_finding(evidence),
        ended => {
            let mut reasons = vec![broken(ended)];
            reasons.extend(evidence.host_late.map(|reason| format!("Of the host: {reason}.")));
            (Status::Error, reasons)
        }
    }
}

fn without_finding(evidence: &Evidence<'_>) -> (Status, Vec<String>) {
    let mut missing = Vec::new();
    for (class, &wanted) in evidence.at_least {
        match evidence.classes.get(class) {
            None => missing.push(format!(
                "Migrations of class {class} could not be counted in this kernel."
            )),
            Some(counts) if counts.moved < wanted => missing.push(format!(
                "Class {class} ({}) migrated {} times, and the plan asks for {wanted}.",
                class.describe(),
                counts.moved
            )),
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        missing.extend(evidence.refused_probes.iter().map(|(probe, said)| {
            let short = |text: &str| escape(text.as_bytes(), 200);
            format!(
                "The guest's kernel refused the probe {}: {}.",
                short(probe),
                short(said)
            )
        }));
    }
    if evidence.at_least.values().all(|&wanted| wanted == 0) {
        missing.push(
            "The plan names no class that has to migrate, so a clean run is no evidence; give the \
             workload an `at_least`."
                .into(),
        );
    }
    if evidence.verified == 0 {
        missing.push("The workload verified no page.".into());
    }
    if !missing.is_empty() {
        return (Status::Inconclusive, missing);
    }
    let counted: Vec<_> = evidence
        .classes
        .iter()
        .filter(|(_, counts)| counts.moved > 0)
        .map(|(class, counts)| format!("{class} {} times", counts.moved))
        .collect();
    let migrated = counted.join(", ");
    (
        Status::Pass,
        vec![format!(
            "No trace, {} pages verified, migrated: {migrated}.",
            evidence.verified
        )],
    )
}

fn broken(ended: &Ended) -> String {
    match ended {
        Ended::Done => "The workload ended.".into(),
        Ended::StoppedAfterFinding => {
            "The guest was stopped after a finding that its console no longer shows.".into()
        }
        Ended::Incapable { reason } => format!("The workload could not do its job: {reason}."),
        Ended::Silent { seconds } => format!(
            "The guest fell silent for {seconds} s, and no detector of its kernel said why. Look at the diagnosis files of the cell."
        ),
        Ended::Slow { seconds } => format!(
            "The workload was still busy after {seconds} s, and no detector of the kernel said why. Look at the diagnosis files of the cell."
        ),
        Ended::Panicked => "The kernel panicked before the workload began.".into(),
        Ended::Rebooted => "The guest rebooted by itself without a trace.".into(),
        Ended::BootFailed { reason } => format!("The guest did not boot: {reason}."),
        Ended::WrongMachine { reason } => format!(
            "The guest is not the machine that the plan describes: {reason}. Look at the kernel's config and the host's QEMU."
        ),
        Ended::Dead { reason } => format!("The guest is dead: {reason}."),
        Ended::Garbage { reason } => format!("The guest broke the protocol: {reason}."),
        Ended::HarnessFailed { reason } => format!("The harness failed: {reason}"),
    }
}

fn as_expected(evidence: &Evidence<'_>, status: Status) -> bool {
    let first = evidence.findings.first();
    match evidence.expected {
        Expected::Clean => status == Status::Pass,
        Expected::Titles { titles } => {
            status == Status::Fail
                && first.is_some_and(|finding| {
                    finding.kind != FindingKind::Refused
                        && titles.iter().any(|title| matches_whole(title, finding))
                })
        }
        Expected::Refused { classes } => {
            status == Status::Fail
                && first.is_some_and(|finding| {
                    finding.kind == FindingKind::Refused
                        && classes
                            .iter()
                            .any(|&class| finding.title == refusal_title(class))
                })
        }
    }
}

fn matches_whole(title: &str, finding: &Finding) -> bool {
    // The catalogue refuses a title that is no regular expression; a record of
    // another origin that holds one matches nothing.
    let Ok(regex) = title_regex(title) else {
        return false;
    };
    std::iter::once(&finding.title)
        .chain(&finding.alt_titles)
        .any(|known| regex.is_match(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KASAN: &str = "KASAN: slab-use-after-free Read in rmap_walk_anon";

    fn finding(kind: FindingKind, title: &str) -> Finding {
        Finding {
            kind,
            title: title.into(),
            alt_titles: vec!["KASAN: use-after-free Read in rmap_walk_anon".into()],
            at_ms: None,
            corrupted: None,
            text: String::new(),
            task: None,
            stacks: Vec::new(),
        }
    }

    struct Case {
        ended: Ended,
        started: bool,
        console_whole: bool,
        host_failed: Option<&'static str>,
        host_late: Option<&'static str>,
        findings: Vec<Finding>,
        boot: Vec<String>,
        classes: BTreeMap<Class, ClassCounts>,
        refused: BTreeMap<String, String>,
        at_least: BTreeMap<Class, u64>,
        verified: u64,
        expected: Expected,
    }

    impl Case {
        fn clean() -> Self {
            Self {
                ended: Ended::Done,
                started: true,
                console_whole: true,
                host_failed: None,
                host_late: None,
                findings: Vec::new(),
                boot: Vec::new(),
                classes: BTreeMap::from([(
                    Class::U4,
                    ClassCounts {
                        attempted: 2000,
                        moved: 1500,
                    },
                )]),
                refused: BTreeMap::new(),
                at_least: BTreeMap::from([(Class::U4, 1000)]),
                verified: 4096,
                expected: Expected::Clean,
            }
        }

        fn judge(&self) -> Judgement {
            judge(&Evidence {
                ended: &self.ended,
                started: self.started,
                console_whole: self.console_whole,
                host_failed: self.host_failed,
                host_late: self.host_late,
                findings: &self.findings,
                boot_traces: &self.boot,
                classes: &self.classes,
                refused_probes: &self.refused,
                at_least: &self.at_least,
                verified: self.verified,
                expected: &self.expected,
            })
        }

        fn status(&self) -> Status {
            self.judge().status
        }
    }

    #[test]
    fn clean_verified_and_migrated_often_enough_passes() {
        let judged = Case::clean().judge();
        assert_eq!(judged.status, Status::Pass);
        assert!(judged.as_expected);
        assert!(
            judged.reasons[0].contains("U4 1500 times"),
            "{:?}",
            judged.reasons
        );
    }

    #[test]
    fn too_few_migrations_are_inconclusive() {
        let case = Case {
            at_least: BTreeMap::from([(Class::U4, 1501)]),
            ..Case::clean()
        };
        assert_eq!(case.status(), Status::Inconclusive);
        assert!(!case.judge().as_expected);
    }

    #[test]
    fn a_class_without_a_count_is_inconclusive() {
        let case = Case {
            classes: BTreeMap::new(),
            refused: BTreeMap::from([("moved_u4".into(), "no\x1bsuch field".into())]),
            ..Case::clean()
        };
        assert_eq!(case.status(), Status::Inconclusive);
        let reasons = case.judge().reasons.join(" ");
        assert!(reasons.contains("moved_u4: no\\x1bsuch field"), "{reasons}");
    }

    #[test]
    fn a_console_that_may_have_lost_a_trace_is_no_evidence() {
        let case = Case {
            console_whole: false,
            ..Case::clean()
        };
        assert_eq!(case.status(), Status::Error);
    }

    #[test]
    fn a_plan_that_asks_for_nothing_gets_no_pass() {
        for at_least in [BTreeMap::new(), BTreeMap::from([(Class::U4, 0)])] {
            let case = Case {
                at_least,
                ..Case::clean()
            };
            assert_eq!(case.status(), Status::Inconclusive);
        }
    }

    #[test]
    fn a_page_that_the_host_lost_is_not_the_kernels_fault() {
        let with = |kind| Case {
            host_failed: Some("no space left"),
            findings: vec![finding(kind, KASAN)],
            ..Case::clean()
        };
        assert_eq!(with(FindingKind::Corruption).status(), Status::Error);
        assert_eq!(with(FindingKind::Trace).status(), Status::Fail);
    }

    #[test]
    fn a_detector_of_hangs_is_not_believed_on_a_late_host_but_a_trace_is() {
        let with = |kinds: &[FindingKind], host_late| Case {
            host_late,
            findings: kinds.iter().map(|&kind| finding(kind, KASAN)).collect(),
            ..Case::clean()
        };
        let late = Some("QEMU stood still for 40 s");
        assert_eq!(with(&[FindingKind::Hang], None).status(), Status::Fail);
        assert_eq!(with(&[FindingKind::Hang], late).status(), Status::Error);
        assert_eq!(with(&[FindingKind::Trace], late).status(), Status::Fail);
        let both = [FindingKind::Hang, FindingKind::Trace];
        assert_eq!(with(&both, late).status(), Status::Fail);
        assert_eq!(with(&[], late).status(), Status::Pass);
    }

    #[test]
    fn nothing_verified_is_inconclusive() {
        assert_eq!(
            Case {
                verified: 0,
                ..Case::clean()
            }
            .status(),
            Status::Inconclusive
        );
    }

    #[test]
    fn a_trace_fails_whatever_else_happened() {
        for ended in [
            Ended::Done,
            Ended::StoppedAfterFinding,
            Ended::Panicked,
            Ended::WrongMachine {
                reason: String::new(),
            },
            Ended::Dead {
                reason: String::new(),
            },
            Ended::Garbage {
                reason: String::new(),
            },
            Ended::Silent { seconds: 9 },
        ] {
            let case = Case {
                ended,
                findings: vec![finding(FindingKind::Trace, KASAN)],
                ..Case::clean()
            };
            assert_eq!(case.status(), Status::Fail, "{:?}", case.ended);
            assert!(
                !case.judge().as_expected,
                "a finding on a variant that should be clean"
            );
        }
    }

    #[test]
    fn whatever_broke_without_a_trace_is_never_pass_or_fail() {
        for ended in [
            Ended::StoppedAfterFinding,
            Ended::Incapable {
                reason: String::new(),
            },
            Ended::Silent { seconds: 9 },
            Ended::Slow { seconds: 9 },
            Ended::Panicked,
            Ended::Rebooted,
            Ended::BootFailed {
                reason: String::new(),
            },
            Ended::Dead {
                reason: String::new(),
            },
            Ended::Garbage {
                reason: String::new(),
            },
            Ended::HarnessFailed {
                reason: String::new(),
            },
        ] {
            let case = Case {
                ended,
                ..Case::clean()
            };
            assert_eq!(case.status(), Status::Error, "{:?}", case.ended);
        }
    }

    #[test]
    fn a_trace_from_before_the_workload_says_nothing_of_migration() {
        let case = Case {
            boot: vec!["WARNING in foo".into()],
            ..Case::clean()
        };
        assert_eq!(case.status(), Status::Error);
    }

    #[test]
    fn a_finding_before_the_workload_is_no_verdict() {
        let case = Case {
            started: false,
            ended: Ended::BootFailed {
                reason: "panic".into(),
            },
            findings: vec![finding(FindingKind::Trace, KASAN)],
            ..Case::clean()
        };
        assert_eq!(case.status(), Status::Error);
    }

    #[test]
    fn a_broken_variant_has_to_fail_in_its_own_way() {
        let expected = Expected::Titles {
            titles: vec!["KASAN: slab-use-after-free (Read|Write) in rmap_walk_anon".into()],
        };
        let with = |found: Vec<Finding>| {
            Case {
                findings: found,
                expected: expected.clone(),
                ..Case::clean()
            }
            .judge()
        };
        assert!(with(vec![finding(FindingKind::Trace, KASAN)]).as_expected);
        assert!(!with(vec![]).as_expected);
        let other = Finding {
            alt_titles: vec![],
            ..finding(FindingKind::Trace, "general protection fault in foo")
        };
        assert!(!with(vec![other.clone()]).as_expected);
        // The first trace counts; a right one among its wrecks does not.
        assert!(!with(vec![other, finding(FindingKind::Trace, KASAN)]).as_expected);
    }

    #[test]
    fn a_title_has_to_match_as_a_whole_and_alternative_titles_count() {
        let with = |title: &str| {
            Case {
                findings: vec![finding(FindingKind::Trace, KASAN)],
                expected: Expected::Titles {
                    titles: vec![title.into()],
                },
                ..Case::clean()
            }
            .judge()
            .as_expected
        };
        assert!(!with("KASAN"));
        assert!(with("KASAN: use-after-free Read in rmap_walk_anon"));
        assert!(!with("(unbalanced"));
    }

    #[test]
    fn a_refusal_is_expected_only_of_the_class_it_names() {
        let with = |class| {
            Case {
                findings: vec![finding(FindingKind::Refused, &refusal_title(Class::U4))],
                expected: Expected::Refused {
                    classes: vec![class],
                },
                ..Case::clean()
            }
            .judge()
        };
        assert!(with(Class::U4).as_expected);
        assert!(!with(Class::U2).as_expected);
        assert_eq!(with(Class::U2).status, Status::Fail);
    }
}
