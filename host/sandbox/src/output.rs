//! What a guest says: log lines, standard output and error. Held until its call ends, because only
//! then is it known which secrets the call handled; then masked, cut and written to our own log.
//!
//! A line is held up to [`HELD`] bytes and a call up to its granted number of lines; the rest is only
//! counted. So a guest that logs without end costs CPU time of its own and a fixed amount of memory.
//! After a crash nobody knows which secrets the guest had, so its lines are counted and not shown.

use std::sync::{Arc, Mutex, PoisonError};

use keyhole_core::PluginId;
use keyhole_core::mask::Mask;

use crate::call::Export;

mod stream;

pub(crate) use stream::Pipe;

/// Bytes held of one line. The mask looks at no more, and replaces a value that is cut at its end.
const HELD: usize = 4096;
/// Fields held of one line.
const FIELDS: usize = 16;

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

struct Line {
    level: Level,
    text: String,
    fields: String,
}

/// The lines of one call. Clones share them: the standard streams write here too.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Held>>);

struct Held {
    lines: Vec<Line>,
    most: usize,
    /// All lines, also those that were not held.
    written: usize,
    loudest: Level,
}

impl Output {
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Held {
            lines: Vec::new(),
            most,
            written: 0,
            loudest: Level::Debug,
        })))
    }

    fn with<R>(&self, work: impl FnOnce(&mut Held) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lines so far.
    pub(crate) fn written(&self) -> usize {
        self.with(|held| held.written)
    }

    pub(crate) fn push(&self, level: Level, text: &str, fields: &[(String, String)]) {
        self.with(|held| {
            held.written = held.written.saturating_add(1);
            if level as u8 > held.loudest as u8 {
                held.loudest = level;
            }
            if held.lines.len() >= held.most {
                return;
            }
            let mut shown = String::new();
            for (name, value) in fields.iter().take(FIELDS) {
                if shown.len() > HELD {
                    break;
                }
                shown.push_str(if shown.is_empty() { "" } else { " " });
                shown.push_str(head(name));
                shown.push('=');
                shown.push_str(head(value));
            }
            held.lines.push(Line {
                level,
                text: head(text).to_owned(),
                fields: shown,
            });
        });
    }

    /// Writes the lines of a call that ended in order. `mask` hides its secrets; it is asked for only
    /// when there is something to show.
    pub(crate) fn emit(&self, plugin: &PluginId, export: Export, mask: &Mask) {
        let (lines, dropped) = self.with(|held| {
            let lines = std::mem::take(&mut held.lines);
            let dropped = held.written.saturating_sub(lines.len());
            (lines, dropped)
        });
        for line in &lines {
            let text = one_line(&mask.apply(&line.text));
            let fields = one_line(&mask.apply(&line.fields));
            emit_line(plugin, export, line.level, &text, &fields);
        }
        if dropped > 0 {
            let text = format!("{dropped} more lines of this call are not shown");
            emit_line(plugin, export, Level::Warn, &text, "");
        }
    }

    /// Reports how many lines a crashed call had written, and how loud.
    pub(crate) fn emit_count(&self, plugin: &PluginId, export: Export) {
        let (written, loudest) = self.with(|held| {
            held.lines.clear();
            (held.written, held.loudest)
        });
        if written > 0 {
            let text = format!("{written} lines of a call that failed are not shown");
            emit_line(plugin, export, loudest, &text, "");
        }
    }
}

fn emit_line(plugin: &PluginId, export: Export, level: Level, text: &str, fields: &str) {
    let (name, digest, call) = (&*plugin.name, &*plugin.digest, export.label());
    macro_rules! event {
        ($level:ident) => {
            if fields.is_empty() {
                tracing::$level!(target: "plugin", plugin = name, digest, call, "{text}")
            } else {
                tracing::$level!(target: "plugin", plugin = name, digest, call, fields, "{text}")
            }
        };
    }
    match level {
        Level::Debug => event!(debug),
        Level::Info => event!(info),
        Level::Warn => event!(warn),
        Level::Error => event!(error),
    }
}

/// The beginning of `text`, up to [`HELD`] bytes.
fn head(text: &str) -> &str {
    text.get(..text.floor_char_boundary(HELD)).unwrap_or_default()
}

/// A guest's text for one line of a log or a status: whatever could break the line, move a cursor or
/// turn the direction of writing becomes a space.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        let unsafe_here = character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match if unsafe_here { ' ' } else { character } {
            ' ' if line.is_empty() || line.ends_with(' ') => {}
            character => line.push(character),
        }
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_stays_on_its_line() {
        assert_eq!(one_line(" a\n\tb\x1b[31m\u{202e}c \r\n"), "a b [31m c");
        assert_eq!(one_line("käse ✓"), "käse ✓");
    }

    #[test]
    fn no_more_is_held_than_allowed() {
        let output = Output::new(2);
        for _ in 0..1000 {
            output.push(
                Level::Info,
                &"ä".repeat(1 << 20),
                &[("k".repeat(1 << 20), "v".repeat(1 << 20))],
            );
        }
        assert_eq!(output.written(), 1000);
        let held: usize = output.with(|held| held.lines.iter().map(|line| line.text.len() + line.fields.len()).sum());
        assert!(held <= 2 * (HELD + 2 * HELD + 2), "{held}");
    }
}
