//! The page about commands, flags and variables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::cell;
use crate::args::{Args, Presence};

/// The page as Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Commands, flags and variables\n\nMade by `cargo xtask generate` from the program's own help. A flag wins over its variable. An empty\n\
         variable counts as unset, except for switches that are on as soon as their variable is there.\n",
    );
    let command = Args::command();
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        subcommand(&mut page, "keyhole", command);
    }
    page
}

fn subcommand(page: &mut String, parent: &str, command: &Command) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let name = format!("{parent} {}", command.get_name());
    let _ = write!(page, "\n## {name}\n\n{about}.\n");
    let mut headings: Vec<&str> = Vec::new();
    let mut rows: BTreeMap<&str, Vec<&Arg>> = BTreeMap::new();
    for arg in command
        .get_arguments()
        .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
    {
        let heading = arg.get_help_heading().unwrap_or("Options");
        if !headings.contains(&heading) {
            headings.push(heading);
        }
        rows.entry(heading).or_default().push(arg);
    }
    for heading in headings {
        let _ = write!(
            page,
            "\n### {heading}\n\n| flag | variable | default | meaning |\n|---|---|---|---|\n"
        );
        for arg in rows.remove(heading).unwrap_or_default() {
            row(page, arg);
        }
    }
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        subcommand(page, &name, command);
    }
}

fn row(page: &mut String, arg: &Arg) {
    let mut flag = String::new();
    if let Some(short) = arg.get_short() {
        let _ = write!(flag, "-{short}, ");
    }
    match (arg.is_positional(), arg.get_value_names()) {
        (true, Some([name])) => flag.push_str(name),
        _ => {
            let _ = write!(flag, "--{}", arg.get_long().unwrap_or(arg.get_id().as_str()));
        }
    }
    let takes_value = arg.get_action().takes_values() && !Presence::is_kind_of(arg);
    if let (true, false, Some([name])) = (takes_value, arg.is_positional(), arg.get_value_names()) {
        let _ = write!(flag, " {name}");
    }
    let variable = arg
        .get_env()
        .map(|name| format!("`{}`", name.to_string_lossy()))
        .unwrap_or_default();
    let default = match arg.get_default_values() {
        [value] if takes_value && !arg.is_hide_default_value_set() => format!("`{}`", value.to_string_lossy()),
        _ => String::new(),
    };
    let mut meaning = arg.get_help().map(|help| cell(&help.to_string())).unwrap_or_default();
    let choices: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if takes_value && !choices.is_empty() && choices != ["`true`", "`false`"] {
        let _ = write!(meaning, "; one of {}", choices.join(", "));
    }
    let _ = writeln!(page, "| `{flag}` | {variable} | {default} | {meaning} |");
}
