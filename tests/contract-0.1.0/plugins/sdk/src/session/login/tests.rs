use std::cell::Cell;

use super::*;

/// Logs in with the number of the login as its token.
fn counting(logins: &Cell<u32>) -> impl FnMut() -> Result<(u32, Duration), Error> {
    || {
        logins.set(logins.get() + 1);
        Ok((logins.get(), Duration::from_secs(600)))
    }
}

/// A store that takes no token below this.
fn takes_from(least: u32) -> impl FnMut(&u32) -> Result<u32, Error> {
    move |token| {
        if *token >= least {
            Ok(*token)
        } else {
            Err(Error::unauthenticated("token unknown"))
        }
    }
}

#[test]
fn a_session_is_used_until_the_store_forgets_it() {
    let logins = Cell::new(0);
    for _ in 0..3 {
        begin_instance();
        assert_eq!(with_login("k", counting(&logins), takes_from(1)), Ok(1));
    }
    assert_eq!(logins.get(), 1);

    begin_instance();
    assert_eq!(with_login("k", counting(&logins), takes_from(2)), Ok(2));
    assert_eq!(
        super::super::get("k"),
        Some(2),
        "the new session replaces the forgotten one"
    );
}

#[test]
fn a_fresh_session_that_is_refused_is_an_error_and_no_second_login() {
    let logins = Cell::new(0);
    for _ in 0..20 {
        let error = with_login("k", counting(&logins), takes_from(99)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthenticated);
    }
    assert_eq!(logins.get(), 1, "twenty keys of one call make one login");
}

#[test]
fn an_old_session_is_renewed_once_for_all_keys_of_a_call() {
    let logins = Cell::new(0);
    with_login("k", counting(&logins), takes_from(1)).unwrap();
    begin_instance();
    for _ in 0..20 {
        with_login("k", counting(&logins), takes_from(99)).unwrap_err();
    }
    assert_eq!(logins.get(), 2);
}

#[test]
fn another_error_leaves_the_session_alone() {
    let logins = Cell::new(0);
    with_login("k", counting(&logins), takes_from(1)).unwrap();
    begin_instance();
    let refused: Result<u32, Error> = with_login("k", counting(&logins), |_| Err(Error::denied("not yours")));
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Denied);
    assert_eq!((logins.get(), super::super::get("k")), (1, Some(1)));

    let forgotten = |error: &Error| error.kind == ErrorKind::Denied;
    let refused: Result<u32, Error> =
        with_login_if("k", forgotten, counting(&logins), |_| Err(Error::denied("not yours")));
    refused.unwrap_err();
    assert_eq!(logins.get(), 2, "unless the store says it that way");
}

#[test]
fn a_failed_login_keeps_nothing() {
    let refused: Result<u32, Error> = get_or_login("k", || Err(Error::unauthenticated("no such role")));
    refused.unwrap_err();
    assert_eq!(super::super::get::<u32>("k"), None);
    assert_eq!(get_or_login("k", || Ok((5, Duration::from_secs(1)))), Ok(5));
}
