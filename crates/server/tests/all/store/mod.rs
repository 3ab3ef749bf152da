//! The store on every kind of database: the same suite on SQLite always, on MariaDB and PostgreSQL where they are
//! installed. Their servers are private to the test: throw-away folders, sockets, an ordinary user.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::missing_assert_message,
    reason = "a test's material fails loudly, says where it is, and what it asserts is what its name says"
)]

mod files;
mod material;
mod queue;
mod requests;
mod rows;
mod servers;
mod upkeep;
mod work;

use std::future::Future;

use material::Store;
use server::db::Location;
use servers::{Databases, Place};

/// Everything that must hold on one kind of database, each part on tables of its own.
async fn suite(databases: &Databases) {
    part(databases, "steps", rows::steps_are_taken_once).await;
    part(databases, "rows", rows::what_is_written_is_read).await;
    part(databases, "constraints", rows::the_database_refuses_what_contradicts).await;
    part(databases, "numbers", rows::numbers_have_no_gaps_and_no_doubles).await;
    part(databases, "wishes", queue::a_wish_makes_one_job).await;
    part(databases, "claims", queue::a_job_is_claimed_once).await;
    part(databases, "fencing", queue::a_worker_that_comes_back_changes_nothing).await;
    part(databases, "attempts", queue::attempts_are_bounded).await;
    part(databases, "silence", queue::silent_workers_are_no_attempts).await;
    part(databases, "stops", queue::jobs_are_stopped_and_begun_again).await;
    part(databases, "again", queue::who_tries_again_waits_at_the_end).await;
    part(databases, "deaths", work::a_job_that_kills_its_process_is_given_up).await;
    part(databases, "blobs", files::blobs_are_stored_once).await;
    part(databases, "purge", upkeep::the_bin_is_taken_out).await;
    part(databases, "bin", upkeep::what_is_taken_out_of_the_bin_stays).await;
    part(databases, "chain", queue::changes_at_once_make_one_chain).await;
    site(databases, "whole", requests::two_completions_make_a_study_whole).await;
    site(databases, "lists", requests::lists_are_sorted_and_paged).await;
    site(databases, "zips", requests::zips_and_drafts_are_taken).await;
    part(databases, "race", upkeep::what_is_stored_again_is_not_purged).await;
    part(databases, "check", upkeep::damage_is_found).await;
    part(databases, "backup", upkeep::a_backup_comes_back).await;
}

async fn site<F: Future<Output = ()>>(databases: &Databases, name: &str, test: impl FnOnce(Place) -> F) {
    println!("{name}");
    Box::pin(test(databases.fresh(name).await)).await;
}

async fn part<F: Future<Output = ()>>(databases: &Databases, name: &str, test: impl FnOnce(Store) -> F) {
    println!("{name}");
    Box::pin(test(Store::on(databases.fresh(name).await).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite() {
    suite(&Databases::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn mariadb() {
    match Databases::mariadb() {
        Some(databases) => suite(&databases).await,
        None => println!("SKIPPED: the store on MariaDB, for lack of mariadbd (package mariadb-server)"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres() {
    match Databases::postgres() {
        Some(databases) => suite(&databases).await,
        None => println!("SKIPPED: the store on PostgreSQL, for lack of it (package postgresql)"),
    }
}

/// A backup of one kind comes back on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn from_sqlite_to_a_server() {
    let Some(target) = Databases::postgres() else {
        println!("SKIPPED: moving from SQLite to PostgreSQL, for lack of the latter (package postgresql)");
        return;
    };
    let source = Databases::sqlite();
    let source = Store::on(source.fresh("from").await).await;
    upkeep::moves(source, target.fresh("to").await).await;
}

/// The password of a database is in no text that may be logged.
#[test]
fn a_location_hides_its_password() {
    let location = Location::Server("mysql://kim:geheim@host/db".to_owned());
    assert!(!format!("{location:?}").contains("geheim"));
}
