use futures_executor::block_on;

use super::*;
use crate::fake::{Fake, fault, unreachable};

fn path(path: &str) -> Path {
    Path {
        path: path.to_owned(),
        recursive: true,
    }
}

fn names(below: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{below}/p{n:05}")).collect()
}

fn run(fake: &Fake, paths: &[&str]) -> Vec<Read> {
    let paths: Vec<Path> = paths.iter().map(|text| path(text)).collect();
    block_on(read(fake, &paths))
}

#[test]
fn all_pages_are_read() {
    let names = names("/a", 25);
    let fake = Fake::with(&names);
    let found = run(&fake, &["/a"]).remove(0).unwrap();
    assert_eq!(
        found.iter().map(|parameter| &parameter.name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    assert_eq!(fake.calls(), (0, 0, 3));
}

#[test]
fn paths_take_turns() {
    let fake = Fake::with(&[names("/a", 30), names("/b", 11)].concat());
    let found = run(&fake, &["/a", "/b", "/c"]);
    assert_eq!(
        found
            .iter()
            .map(|read| read.as_ref().unwrap().len())
            .collect::<Vec<_>>(),
        [30, 11, 0]
    );
    let order: Vec<_> = fake
        .pages
        .borrow()
        .iter()
        .map(|(path, page)| format!("{path}{page}"))
        .collect();
    assert_eq!(order, ["/a0", "/b0", "/c0", "/a1", "/b1", "/a2"]);
    assert!(fake.most_under_way.get() <= CONCURRENCY);
}

#[test]
fn what_is_too_long_for_one_call_ends_at_a_bound() {
    let fake = Fake::with(&[names("/long", PAGES_OF_A_PATH * 10 + 1), names("/short", 25)].concat());
    let too_many = Err(Unread::TooMany(PAGES_OF_A_PATH * 10));
    assert_eq!(run(&fake, &["/long"]).remove(0), too_many);
    assert_eq!(fake.calls(), (0, 0, PAGES_OF_A_PATH));
    let found = run(&fake, &["/long", "/short"]);
    assert_eq!(found[0], too_many, "as when it is alone");
    assert_eq!(found[1].as_ref().unwrap().len(), 25);
}

#[test]
fn of_long_paths_that_do_not_fit_together_some_are_read_and_the_rest_next_time() {
    let texts: Vec<String> = (0..4).map(|n| format!("/p{n}")).collect();
    let fake = Fake::with(&texts.iter().flat_map(|path| names(path, 2_000)).collect::<Vec<_>>());
    let mut waiting: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut calls = Vec::new();
    while !waiting.is_empty() {
        fake.pages.borrow_mut().clear();
        let found = run(&fake, &waiting);
        assert!(fake.calls().2 <= PAGES);
        let before = waiting.len();
        waiting = waiting
            .into_iter()
            .zip(found)
            .filter_map(|(path, read)| match read {
                Ok(found) => {
                    assert_eq!(found.len(), 2_000);
                    None
                }
                Err(why) => {
                    assert!(matches!(why, Unread::Crowded(_)), "{why:?}");
                    Some(path)
                }
            })
            .collect();
        assert!(waiting.len() < before, "each call gets something done");
        calls.push(before - waiting.len());
    }
    assert_eq!(calls, [2, 2]);
}

#[test]
fn a_page_that_leads_to_itself_ends_its_path() {
    let mut fake = Fake::with(&[names("/a", 25), names("/b", 25)].concat());
    fake.circle = Some("/a".to_owned());
    let found = run(&fake, &["/a", "/b"]);
    assert_eq!(found[0], Err(Unread::Circle));
    assert_eq!(found[1].as_ref().unwrap().len(), 25);
    assert_eq!(fake.calls().2, 2 + 3);
}

#[test]
fn values_that_no_secret_can_hold_are_not_read_to_their_end() {
    let mut fake = Fake::with(&names("/small", 5));
    for name in names("/large", 300) {
        fake.parameters.insert(name, "x".repeat(8 << 10));
    }
    let found = run(&fake, &["/large", "/small"]);
    assert_eq!(found[0], Err(Unread::TooLarge));
    assert_eq!(found[1].as_ref().unwrap().len(), 5);
    assert_eq!(fake.calls().2, 14, "13 pages of 80 KiB are the first to be over 1 MiB");
}

#[test]
fn all_paths_together_stay_within_what_the_host_takes_of_a_call() {
    let mut fake = Fake::default();
    let paths: Vec<String> = (0..10).map(|n| format!("/p{n}")).collect();
    for path in &paths {
        for name in names(path, 120) {
            fake.parameters.insert(name, "x".repeat(8 << 10));
        }
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let found = run(&fake, &paths);
    let done = found.iter().filter(|read| read.is_ok()).count();
    assert!((3..10).contains(&done), "{done}");
    assert!(found.iter().all(|read| matches!(read, Ok(_) | Err(Unread::Crowded(_)))));
    let read = fake.calls().2 * 80 * 1024;
    assert!(read < 7 << 20, "{read} bytes");
}

#[test]
fn a_page_that_fails_is_its_path_s_alone() {
    let mut fake = Fake::with(&[names("/a", 25), names("/b", 5)].concat());
    fake.page_faults.insert("/a".to_owned(), (2, unreachable()));
    let found = run(&fake, &["/a", "/b"]);
    assert_eq!(found[0], Err(Unread::Fault(unreachable())));
    assert_eq!(found[1].as_ref().unwrap().len(), 5);
}

#[test]
fn throttling_ends_the_reading_of_all_paths() {
    let throttled = fault("ThrottlingException", "Rate exceeded");
    let mut fake = Fake::with(&[names("/a", 25), names("/b", 5), names("/c", 25)].concat());
    fake.page_faults.insert("/a".to_owned(), (1, throttled.clone()));
    let found = run(&fake, &["/a", "/b", "/c"]);
    assert_eq!(found[0], Err(Unread::Fault(throttled.clone())));
    assert_eq!(found[1].as_ref().unwrap().len(), 5, "it was done before");
    assert_eq!(found[2], Err(Unread::Fault(throttled)));
    assert_eq!(fake.calls().2, 5, "two rounds");
}
