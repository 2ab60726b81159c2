//! A report as text for people: one line for each check, and under a failed one what to do.

use std::fmt::{self, Display};

use super::{CHECKS, Report, Verdict};
use crate::words;

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plugin = self.plugin.as_deref().unwrap_or("a plugin that cannot be loaded");
        writeln!(f, "{plugin}, {}", self.digest)?;
        let width = CHECKS.iter().map(|(check, _)| check.len()).max().unwrap_or(0);
        for finding in &self.findings {
            let (word, detail) = match &finding.verdict {
                Verdict::Ok { detail } => ("ok", detail),
                Verdict::Failed { detail, .. } => ("FAILED", detail),
                Verdict::Skipped { detail } => ("skipped", detail),
            };
            writeln!(f, "{word:7}  {:width$}  {}", finding.check, words::line(detail))?;
            if let Verdict::Failed { remedy, .. } = &finding.verdict {
                writeln!(f, "{:7}  {:width$}  -> {}", "", "", words::line(remedy))?;
            }
        }
        let count = |is: fn(&Verdict) -> bool| self.findings.iter().filter(|finding| is(&finding.verdict)).count();
        writeln!(
            f,
            "{} ok, {} failed, {} skipped",
            count(|verdict| matches!(verdict, Verdict::Ok { .. })),
            count(Verdict::is_failure),
            count(|verdict| matches!(verdict, Verdict::Skipped { .. })),
        )
    }
}
