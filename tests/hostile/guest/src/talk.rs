//! Log lines, standard output and error.

use std::io::Write;

use serde_json::Value as Json;

use crate::bindings::keyhole::backend::log::{Level, write};
use crate::bindings::keyhole::backend::types::{ErrorKind, Outcome, Request};
use crate::{Outcomes, failed, name_of, number, text, to_all};

pub fn fetch(habit: &str, settings: &Json, requests: &[Request]) -> Option<Outcomes> {
    let words = settings["text"].as_str().unwrap_or("hello");
    match habit {
        "log-forever" => loop {
            write(Level::Info, words, &[]);
        },
        "print-forever" => loop {
            print!("{words}");
        },
        "log" => {
            for _ in 0..number(settings, "times", 1) {
                write(Level::Warn, words, &[("name".to_owned(), words.to_owned())]);
            }
        }
        "print" => {
            println!("{words}");
            eprintln!("{words}");
            print!("no line break");
            std::io::stdout().flush().ok()?;
        }
        "log-giant" => {
            let size = usize::try_from(number(settings, "bytes", 0)).ok()?;
            write(Level::Error, &"x".repeat(size), &[]);
        }
        "log-and-trap" => {
            write(Level::Error, words, &[]);
            println!("{words}");
            std::process::abort();
        }
        "log-and-loop" => {
            write(Level::Error, words, &[]);
            crate::limits::spin();
        }
        "indiscreet" => return Some(indiscreet(words, requests)),
        _ => return None,
    }
    to_all(requests, "done")
}

/// Returns `words` as the first value and tells everybody about it.
fn indiscreet(words: &str, requests: &[Request]) -> Outcomes {
    let quoted = Json::from(words).to_string();
    write(
        Level::Info,
        &format!("raw {words} json {quoted}"),
        &[("field".to_owned(), words.to_owned())],
    );
    println!("printed {words}");
    eprintln!("complained {quoted}");
    let outcomes = requests.iter().enumerate().map(|(position, request)| match position {
        0 => text(words.to_owned()),
        _ => Outcome::Failed(failed(
            ErrorKind::NotFound,
            format!("no {}, but here is {words}", name_of(request)),
        )),
    });
    Ok(outcomes.collect())
}
