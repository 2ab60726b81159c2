//! Lines as pino writes them: `{"level":30,"time":1700000000000,"pid":1,"hostname":"..","name":"..","msg":".."}`.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Names of members that users may choose, and how levels are written.
#[derive(Clone, Debug)]
pub struct Keys {
    pub message: String,
    pub pid: String,
    pub hostname: String,
    pub level_names: bool,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            message: "msg".into(),
            pid: "pid".into(),
            hostname: "hostname".into(),
            level_names: false,
        }
    }
}

/// Writes events.
#[derive(Debug)]
pub struct Pino {
    keys: Keys,
    pid: u32,
    hostname: String,
}

impl Pino {
    pub fn new(keys: Keys) -> Self {
        let hostname = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            keys,
            pid: std::process::id(),
            hostname,
        }
    }

    fn line(&self, level: Level, target: &str, time: SystemTime, fields: Fields) -> String {
        let milliseconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let level = if self.keys.level_names {
            json!(name(level))
        } else {
            json!(number(level))
        };
        let name = target.split("::").next().unwrap_or_default();
        let keys = &self.keys;
        let mut line = Line::default();
        line.put("level", level);
        line.put("time", json!(u64::try_from(milliseconds).unwrap_or(u64::MAX)));
        line.put(&keys.pid, json!(self.pid));
        line.put(&keys.hostname, json!(self.hostname));
        line.put("name", json!(name));
        for (name, value) in fields.others {
            // The message comes last, and an event's own field cannot take its place.
            if name != keys.message {
                line.put(&name, value);
            }
        }
        line.put(&keys.message, Json::String(fields.message));
        line.end()
    }
}

/// A JSON object in the order in which its members came; of two with one name the first stays.
#[derive(Default)]
struct Line {
    text: String,
    names: Vec<String>,
}

impl Line {
    fn put(&mut self, name: &str, value: Json) {
        if self.names.iter().any(|known| known == name) {
            return;
        }
        self.text.push(if self.names.is_empty() { '{' } else { ',' });
        self.text.push_str(&format!("{}:{value}", json!(name)));
        self.names.push(name.to_owned());
    }

    fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

impl<S, N> FormatEvent<S, N> for Pino
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        writeln!(
            writer,
            "{}",
            self.line(*metadata.level(), metadata.target(), SystemTime::now(), fields)
        )
    }
}

const fn number(level: Level) -> u8 {
    match level {
        Level::TRACE => 10,
        Level::DEBUG => 20,
        Level::INFO => 30,
        Level::WARN => 40,
        Level::ERROR => 50,
    }
}

const fn name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// The fields of one event.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(String, Json)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Json) {
        match (field.name(), value) {
            ("message", Json::String(text)) => self.message = text,
            ("message", value) => self.message = value.to_string(),
            (name, value) => self.others.push((name.trim_start_matches("r#").to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Json::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt as _;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(keys: Keys, log: impl FnOnce()) -> Map<String, Json> {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .event_format(Pino::new(keys));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_has_pinos_members_and_the_fields() {
        let line = written(Keys::default(), || {
            tracing::warn!(count = 3, ok = true, who = "me", "two\nlines \"quoted\"")
        });
        assert_eq!(line["level"], 40);
        assert_eq!(line["name"], "keyhole");
        assert_eq!(line["msg"], "two\nlines \"quoted\"");
        assert_eq!(
            (&line["count"], &line["ok"], &line["who"]),
            (&json!(3), &json!(true), &json!("me"))
        );
        assert_eq!(line["pid"], std::process::id());
        assert!(line["time"].as_u64().unwrap() > 1_600_000_000_000);
        assert!(!line["hostname"].as_str().unwrap().is_empty());
    }

    #[test]
    fn members_come_in_pinos_order() {
        let pino = Pino {
            keys: Keys::default(),
            pid: 7,
            hostname: "h".into(),
        };
        let fields = Fields {
            message: "m".into(),
            others: vec![("b".into(), json!(1)), ("a".into(), json!(2))],
        };
        let line = pino.line(Level::INFO, "keyhole::run", UNIX_EPOCH, fields);
        assert_eq!(
            line,
            r#"{"level":30,"time":0,"pid":7,"hostname":"h","name":"keyhole","b":1,"a":2,"msg":"m"}"#
        );
    }

    #[test]
    fn keys_and_levels_can_be_chosen() {
        let keys = Keys {
            message: "message".into(),
            pid: "p".into(),
            hostname: "h".into(),
            level_names: true,
        };
        let line = written(keys, || tracing::info!("hello"));
        assert_eq!((&line["level"], &line["message"]), (&json!("info"), &json!("hello")));
        assert!(line.contains_key("p") && line.contains_key("h") && !line.contains_key("msg"));
    }

    #[test]
    fn a_field_cannot_pose_as_the_loggers_own() {
        let line = written(Keys::default(), || {
            tracing::info!(level = "fatal", time = 1, name = "x", msg = "y", "real")
        });
        assert_eq!(
            (&line["level"], &line["name"], &line["msg"]),
            (&json!(30), &json!("keyhole"), &json!("real"))
        );
    }
}
