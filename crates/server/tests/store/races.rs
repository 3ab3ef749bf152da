//! What two people do at once through the API.

use axum::http::StatusCode;
use serde_json::json;
use server::config::Secret;
use server::db::Location;

use crate::servers::Place;
use crate::uploaded::{case, commit, file_of, send, study};
use crate::visitor::Site;

/// Two uploads each bring one of the two scans that a study lacks: whichever is second sees that nothing is missing.
pub(crate) async fn two_completions_make_a_study_whole(place: Place) {
    println!("completions");
    let site = Site::with(|config| {
        if let Location::Server(url) = &place.location {
            config.database = Some(Secret::new(url.as_str()));
        }
    })
    .await;
    let owner = site.owner().await;
    let files = case(1);
    let one = |ending: &str| vec![(format!("x_{ending}.nii.gz"), file_of(&files, ending))];
    for _ in 0..3 {
        let half = study(&owner, [one("t1"), one("t2")].concat(), json!({})).await;
        let id = half["id"].as_str().unwrap();
        let (first, second) = (send(&owner, one("t1ce")).await, send(&owner, one("flair")).await);
        let (first, second) = tokio::join!(
            commit(&owner, &first, json!({"study_id": id})),
            commit(&owner, &second, json!({"study_id": id}))
        );
        assert_eq!((first.status, second.status), (StatusCode::CREATED, StatusCode::CREATED), "{first:?} {second:?}");
        let whole = owner.get(&format!("/api/v1/studies/{id}")).send().await.json();
        assert_eq!((&whole["state"], &whole["missing"]), (&json!("ready"), &json!([])), "{whole}");
    }
}
