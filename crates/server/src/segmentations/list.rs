//! `GET /segmentations`: the results of all studies, whether or not they stand for their study.

use axum::Json;
use axum::extract::{Query, State as Shared};
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, JoinType, PaginatorTrait, QueryFilter, QuerySelect,
    RelationTrait, Select,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rows::{self, Measured};
use super::wire::SegmentationRow;
use crate::accounts::Person;
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::segmentation::{self, Column, Source, State};
use crate::entity::{measurement, model, study};
use crate::error::Problem;
use crate::ids::{ModelId, PatientId, SegmentationId, StudyId};
use crate::list::{Direction, List, between, ordered};
use crate::studies::query::checked_date;

/// Which results.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Which {
    /// Of one patient.
    patient: Option<PatientId>,
    /// Of one study.
    study: Option<StudyId>,
    /// Made by this model.
    model: Option<ModelId>,
    /// Where they come from.
    source: Option<Source>,
    /// What people think of them.
    state: Option<State>,
    /// Millilitres of whole tumour, at least.
    wt_min: Option<f64>,
    /// Millilitres of whole tumour, at most.
    wt_max: Option<f64>,
    /// Millilitres of tumour core, at least.
    tc_min: Option<f64>,
    /// Millilitres of tumour core, at most.
    tc_max: Option<f64>,
    /// Millilitres of enhancing tumour, at least.
    et_min: Option<f64>,
    /// Millilitres of enhancing tumour, at most.
    et_max: Option<f64>,
    /// `YYYY-MM-DD`: of studies of this day or later.
    date_from: Option<String>,
    /// `YYYY-MM-DD`: of studies of this day or before.
    date_to: Option<String>,
    /// By what; `-` before it: the largest first.
    #[param(inline)]
    sort: Option<ResultSort>,
    /// At most so many; less than 1 is 1, more than 200 is 200.
    limit: Option<i64>,
    /// Where to go on.
    cursor: Option<String>,
}

/// By what results are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub(super) enum ResultSort {
    /// The youngest first.
    #[default]
    #[serde(rename = "-created_at")]
    Youngest,
    /// The oldest first.
    #[serde(rename = "created_at")]
    Oldest,
    /// By the study's date.
    #[serde(rename = "date")]
    Date,
    /// By the study's date, the last first.
    #[serde(rename = "-date")]
    DateDown,
    /// By whole tumour.
    #[serde(rename = "wt")]
    Wt,
    /// By whole tumour, the largest first.
    #[serde(rename = "-wt")]
    WtDown,
    /// By tumour core.
    #[serde(rename = "tc")]
    Tc,
    /// By tumour core, the largest first.
    #[serde(rename = "-tc")]
    TcDown,
    /// By enhancing tumour.
    #[serde(rename = "et")]
    Et,
    /// By enhancing tumour, the largest first.
    #[serde(rename = "-et")]
    EtDown,
    /// By the model's name; those that no model made first.
    #[serde(rename = "model")]
    Model,
    /// By the model's name; those that no model made last.
    #[serde(rename = "-model")]
    ModelDown,
    /// By the name of the state.
    #[serde(rename = "state")]
    State,
    /// By the name of the state, backwards.
    #[serde(rename = "-state")]
    StateDown,
}

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Results of all studies that do not lie in the bin, the youngest first unless something else is asked for: also those
/// that a later one stands before, and those that were rejected.
#[utoipa::path(get, path = "/segmentations", tag = "segmentations", params(Which),
    responses((status = OK, body = List<SegmentationRow>)))]
async fn list(
    Shared(app): Shared<App>,
    person: Person,
    Query(which): Query<Which>,
) -> Result<Json<List<SegmentationRow>>, Problem> {
    let all = which.select()?;
    let (keys, direction) = which.keys();
    let page = ordered(all.clone(), keys, direction, which.last()?).limit(which.limit() + 1);
    audit::record(&app, &person, Action::List, Object::all(Kind::Segmentation)).await?;
    let mut found = page.select_also(measurement::Entity).all(&app.db).await?;
    let more = found.len() as u64 > which.limit();
    found.truncate(usize::try_from(which.limit()).unwrap_or(usize::MAX));
    let next = match found.last().filter(|_| more) {
        Some(last) => Some(which.cursor_of(&app.db, last).await?),
        None => None,
    };
    let total = all.count(&app.db).await?;
    Ok(Json(List { items: rows::shown(&app.db, found).await?, next, total }))
}

impl Which {
    fn limit(&self) -> u64 {
        self.limit.unwrap_or(50).clamp(1, 200).unsigned_abs()
    }

    /// The results with study, measurement and model joined, filtered, in no order.
    fn select(&self) -> Result<Select<segmentation::Entity>, Problem> {
        let mut all = Condition::all().add(study::Column::RemovedAt.is_null());
        all = all.add_option(self.patient.map(|id| study::Column::PatientId.eq(id)));
        all = all.add_option(self.study.map(|id| Column::StudyId.eq(id)));
        all = all.add_option(self.model.map(|id| Column::ModelId.eq(id)));
        all = all.add_option(self.source.map(|source| Column::Source.eq(source)));
        all = all.add_option(self.state.map(|state| Column::State.eq(state)));
        let day = |field: &str, day: &Option<String>| {
            day.as_deref().filter(|day| !day.is_empty()).map(|day| checked_date(field, day)).transpose()
        };
        all = all.add_option(day("date_from", &self.date_from)?.map(|day| study::Column::Date.gte(day)));
        all = all.add_option(day("date_to", &self.date_to)?.map(|day| study::Column::Date.lte(day)));
        for (column, bounds) in [
            (measurement::Column::MlWt, (self.wt_min, self.wt_max)),
            (measurement::Column::MlTc, (self.tc_min, self.tc_max)),
            (measurement::Column::MlEt, (self.et_min, self.et_max)),
        ] {
            all = between(all, column, bounds);
        }
        Ok(segmentation::Entity::find()
            .join(JoinType::InnerJoin, segmentation::Relation::Study.def())
            .join(JoinType::LeftJoin, segmentation::Relation::Measurement.def())
            .join(JoinType::LeftJoin, segmentation::Relation::Model.def())
            .filter(all))
    }

    /// What is sorted by, never null, and how; an id is no other row's.
    fn keys(&self) -> (Vec<SimpleExpr>, Direction) {
        use ResultSort as S;
        let ml = |column| Expr::col((measurement::Entity, column)).if_null(-1.0);
        let date = || Expr::col((study::Entity, study::Column::Date)).if_null("");
        let name = || Expr::col((model::Entity, model::Column::Name)).if_null("");
        let own = |column: Column| Expr::col((segmentation::Entity, column));
        let (key, direction) = match self.sort.unwrap_or_default() {
            S::Youngest => (own(Column::CreatedAt), Direction::Down),
            S::Oldest => (own(Column::CreatedAt), Direction::Up),
            S::Date => (date(), Direction::Up),
            S::DateDown => (date(), Direction::Down),
            S::Wt => (ml(measurement::Column::MlWt), Direction::Up),
            S::WtDown => (ml(measurement::Column::MlWt), Direction::Down),
            S::Tc => (ml(measurement::Column::MlTc), Direction::Up),
            S::TcDown => (ml(measurement::Column::MlTc), Direction::Down),
            S::Et => (ml(measurement::Column::MlEt), Direction::Up),
            S::EtDown => (ml(measurement::Column::MlEt), Direction::Down),
            S::Model => (name(), Direction::Up),
            S::ModelDown => (name(), Direction::Down),
            S::State => (own(Column::State), Direction::Up),
            S::StateDown => (own(Column::State), Direction::Down),
        };
        (vec![key, own(Column::Id)], direction)
    }

    /// The values of those keys in the last row of the page before.
    fn last(&self) -> Result<Option<Vec<SimpleExpr>>, Problem> {
        use ResultSort as S;
        let Some(cursor) = self.cursor.as_deref().filter(|cursor| !cursor.is_empty()) else { return Ok(None) };
        let wrong = || Problem::field("cursor", "It is not one that this list gave for this order.");
        let (value, id) = cursor.rsplit_once('~').filter(|(value, _)| !value.contains('\0')).ok_or_else(wrong)?;
        let id: SegmentationId = id.parse().map_err(|_| wrong())?;
        let value = match self.sort.unwrap_or_default() {
            S::Youngest | S::Oldest => Expr::value(value.parse::<i64>().map_err(|_| wrong())?),
            S::Wt | S::WtDown | S::Tc | S::TcDown | S::Et | S::EtDown => {
                Expr::value(value.parse::<f64>().ok().filter(|ml| ml.is_finite()).ok_or_else(wrong)?)
            }
            S::Date | S::DateDown | S::Model | S::ModelDown | S::State | S::StateDown => Expr::value(value.to_owned()),
        };
        Ok(Some(vec![value, Expr::value(id.to_string())]))
    }

    /// The cursor after a row.
    async fn cursor_of(&self, on: &impl ConnectionTrait, (row, measured): &Measured) -> Result<String, Problem> {
        use ResultSort as S;
        let ml = |of: fn(&measurement::Model) -> f64| measured.as_ref().map_or(-1.0, of).to_string();
        let value = match self.sort.unwrap_or_default() {
            S::Youngest | S::Oldest => row.created_at.to_string(),
            S::Wt | S::WtDown => ml(|measured| measured.ml_wt),
            S::Tc | S::TcDown => ml(|measured| measured.ml_tc),
            S::Et | S::EtDown => ml(|measured| measured.ml_et),
            S::State | S::StateDown => sea_orm::ActiveEnum::to_value(&row.state),
            S::Date | S::DateDown => {
                study::Entity::find_by_id(row.study_id).one(on).await?.and_then(|study| study.date).unwrap_or_default()
            }
            S::Model | S::ModelDown => match row.model_id {
                Some(id) => model::Entity::find_by_id(id).one(on).await?.map_or_else(String::new, |model| model.name),
                None => String::new(),
            },
        };
        Ok(format!("{value}~{}", row.id))
    }
}
