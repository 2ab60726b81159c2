//! An inspection as text for people.

use std::fmt::{self, Display, Write as _};

use super::{Described, Inspection, Member, Want};
use crate::words;

/// Where the second column begins.
const LABEL: usize = 13;

impl Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plugin) = &self.plugin {
            row(f, "plugin", &[format!("{} {}", plugin.name, plugin.version)])?;
        }
        row(
            f,
            "file",
            &[format!("{}, {}", words::line(&self.file), words::bytes(self.size))],
        )?;
        row(f, "digest", std::slice::from_ref(&self.digest))?;
        let contract = self.contract.as_deref().unwrap_or("none");
        row(f, "contract", &[contract.to_owned()])?;
        if let Some(plugin) = &self.plugin {
            described(f, plugin)?;
        }
        row(f, "imports", &imports(&self.imports))?;
        if let Some(plugin) = &self.plugin {
            table(f, "settings", &plugin.settings)?;
            table(f, "options of a request", &plugin.options)?;
        }
        if let Some(problem) = &self.problem {
            write!(f, "\nproblem\n  {}\n", words::line(problem))?;
        }
        if !self.warnings.is_empty() {
            f.write_str("\nwarnings\n")?;
            for warning in &self.warnings {
                writeln!(f, "  - {}", words::line(warning))?;
            }
        }
        Ok(())
    }
}

fn described(f: &mut fmt::Formatter<'_>, plugin: &Described) -> fmt::Result {
    let types: Vec<_> = plugin
        .backend_types
        .iter()
        .map(|served| match served.aliases.as_slice() {
            [] => served.name.clone(),
            aliases => format!("{} (also {})", served.name, aliases.join(", ")),
        })
        .collect();
    row(f, "types", &types)?;
    let batch = match plugin.max_batch {
        1 => "one request a call".to_owned(),
        most => format!("up to {most} requests a call"),
    };
    row(f, "batch", &[batch])?;
    let hosts = match plugin.hosts.as_slice() {
        [] => vec!["names none; whatever its settings name must be granted".to_owned()],
        hosts => hosts.to_vec(),
    };
    row(f, "hosts", &hosts)?;
    let credentials = match plugin.credentials.as_slice() {
        [] => vec!["none".to_owned()],
        wants => wants.iter().map(want).collect(),
    };
    row(f, "credentials", &credentials)?;
    let metadata: Vec<_> = plugin
        .metadata
        .iter()
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("{}: {}", words::line(name), words::line(text)),
            None => format!("{}: {}", words::line(name), words::line(&value.to_string())),
        })
        .collect();
    row(f, "about", &metadata)
}

fn want(want: &Want) -> String {
    let name = words::line(&want.name);
    match want.kind {
        "aws" => format!(
            "AWS {name}, signed by the host for {}; the plugin sees nothing",
            want.actions.join(", ")
        ),
        "header" => format!("header {name}, set by the host; the plugin sees nothing"),
        "serviceAccountToken" => format!("a service-account token for audience {name}, which the plugin SEES"),
        _ => format!("{name}, which the plugin SEES"),
    }
}

/// The contract's interfaces and HTTP by name; of the rest of WASI, which toolchains import unasked, the number.
fn imports(imports: &[String]) -> Vec<String> {
    let telling = |name: &&String| !name.starts_with("wasi:") || name.starts_with("wasi:http/outgoing-handler");
    let mut shown: Vec<_> = imports.iter().filter(telling).map(|name| words::line(name)).collect();
    match imports.len() - shown.len() {
        0 => {}
        more => shown.push(format!("and {more} more of WASI, behind which there is nothing")),
    }
    shown
}

fn row(f: &mut fmt::Formatter<'_>, label: &str, lines: &[String]) -> fmt::Result {
    for (number, line) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        writeln!(f, "{label:LABEL$}{line}")?;
    }
    Ok(())
}

fn table(f: &mut fmt::Formatter<'_>, title: &str, members: &[Member]) -> fmt::Result {
    writeln!(f, "\n{title}")?;
    if members.is_empty() {
        return f.write_str("  none\n");
    }
    let mut rows = vec![["name", "type", "set by", "description"].map(str::to_owned)];
    for member in members {
        let mut said = member.description.clone();
        match (&member.default, member.required) {
            (Some(default), _) => {
                let _ = write!(said, " [default: {}]", words::line(default));
            }
            (None, true) => said.push_str(" [required]"),
            (None, false) => {}
        }
        rows.push([
            words::line(&member.name),
            member.kind.clone(),
            member.set_by.to_owned(),
            said.trim().to_owned(),
        ]);
    }
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    for [name, kind, set_by, said] in &rows {
        let line = format!("  {name:first$}  {kind:second$}  {set_by:third$}  {said}");
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
