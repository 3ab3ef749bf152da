//! Rows of files as groups: who belongs together, which sequence each is, and what keeps a group from being a study.

use std::collections::BTreeMap;

use segment::dataset::named;
use segment::labels::LabelScheme;
use segment::study::{Sequence, grid_difference};

use super::fault::{Fault, Flaw, of_grids};
use super::look::{Look, Values};
use super::naming::{grouping, last};
use super::recognise::guess;
use super::wire::{UploadFile, UploadGroup, UploadProblem};
use crate::entity::series;
use crate::entity::upload_file::{self, Content, State};

/// A file of a group, with what is known and what was guessed of it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The row.
    pub(crate) row: upload_file::Model,
    /// Its content, once it is there.
    pub(crate) look: Option<Look>,
    /// What it shows, known or guessed.
    pub(crate) content: Option<Content>,
    /// Whether nobody confirmed it.
    pub(crate) guessed: bool,
    /// What the numbers of a mask mean.
    pub(crate) scheme: Option<LabelScheme>,
}

/// Files that will become one study.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Names it.
    pub(crate) key: String,
    /// What the names call it.
    pub(crate) title: String,
    /// Its files.
    pub(crate) members: Vec<Member>,
    /// What is wrong: the member's index, if it is one, and the fault.
    pub(crate) faults: Vec<(Option<usize>, Fault)>,
}

/// What a name says of a file's content, and what the numbers mean if it is a mask.
pub(crate) fn from_name(name: &str) -> (Option<Content>, Option<LabelScheme>) {
    let Some(named) = named(last(name)) else { return (None, None) };
    match named.role {
        segment::dataset::Role::Scan(sequence) => (Some(series::Sequence::from(sequence).into()), None),
        segment::dataset::Role::Seg => (Some(Content::Mask), LabelScheme::of_case_name(&named.case)),
    }
}

/// Sorts the files of an upload into groups, in the order of their titles.
pub(crate) fn groups(rows: Vec<upload_file::Model>) -> Vec<Group> {
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let implied = grouping(&names);
    let mut by_key: BTreeMap<String, Vec<Member>> = BTreeMap::new();
    for (row, implied) in rows.into_iter().zip(&implied.keys) {
        let key = if row.group_key.is_empty() { implied.clone() } else { row.group_key.clone() };
        by_key.entry(key).or_default().push(Member::of(row));
    }
    let mut groups: Vec<Group> = by_key
        .into_iter()
        .map(|(key, mut members)| {
            members.sort_by(|a, b| a.row.name.cmp(&b.row.name));
            guess_sequences(&mut members);
            let title = implied.titles.get(&key).cloned().unwrap_or_else(|| key.clone());
            let faults = faults(&members);
            Group { key, title, members, faults }
        })
        .collect();
    groups.sort_by(|a, b| (&a.title, &a.key).cmp(&(&b.title, &b.key)));
    groups
}

impl Member {
    fn of(row: upload_file::Model) -> Self {
        let look: Option<Look> = row.grid.as_ref().and_then(|json| json.read().ok());
        let is_labels = look.as_ref().is_some_and(|look| look.values == Values::Labels);
        let content = row.sequence.or(is_labels.then_some(Content::Mask));
        let guessed = row.guessed || row.sequence.is_none();
        let named = row.scheme.as_deref().and_then(|name| LabelScheme::ALL.into_iter().find(|of| of.name() == name));
        let scheme = named.or_else(|| look.as_ref().and_then(Look::implied_scheme));
        Self { scheme: scheme.filter(|_| content == Some(Content::Mask)), row, look, content, guessed }
    }

    /// The name without folders, to be shown.
    pub(crate) fn name(&self) -> &str {
        last(&self.row.name)
    }

    /// The sequence, if it is a scan.
    pub(crate) fn sequence(&self) -> Option<Sequence> {
        self.content.and_then(Content::sequence).map(Sequence::from)
    }

    /// The problem that its row holds.
    fn stored_fault(&self) -> Option<Fault> {
        self.row.problem.as_ref().and_then(|json| json.read().ok())
    }

    /// What is wrong with its content, given what it is said to be.
    fn own_fault(&self) -> Option<Fault> {
        if let Some(fault) = self.stored_fault() {
            return Some(fault);
        }
        let look = self.look.as_ref()?;
        match self.content {
            Some(Content::Mask) => look.as_mask(self.name(), self.scheme),
            Some(_) => look.as_scan(self.name()),
            None => look.as_scan(self.name()).or_else(|| {
                Some(Flaw::SequenceUnknown.says(format!(
                    "{}: neither its name nor its content says which sequence it is. Choose T1, T1ce, T2 or FLAIR.",
                    self.name()
                )))
            }),
        }
    }
}

fn guess_sequences(members: &mut [Member]) {
    let is_open =
        |member: &Member| member.content.is_none() && member.look.as_ref().is_some_and(|l| l.values == Values::Scan);
    let known: Vec<(Sequence, &Look)> =
        members.iter().filter_map(|member| Some((member.sequence()?, member.look.as_ref()?))).collect();
    let open: Vec<usize> = (0..members.len()).filter(|&n| is_open(&members[n])).collect();
    let looks: Vec<&Look> = open.iter().filter_map(|&n| members[n].look.as_ref()).collect();
    let guesses = guess(&known, &looks);
    for (n, guess) in open.into_iter().zip(guesses) {
        members[n].content = guess.map(|sequence| series::Sequence::from(sequence).into());
    }
}

/// Everything that is wrong with a group, files first.
fn faults(members: &[Member]) -> Vec<(Option<usize>, Fault)> {
    let mut faults: Vec<(Option<usize>, Fault)> = Vec::new();
    for (n, member) in members.iter().enumerate() {
        let fault = member
            .own_fault()
            .or_else(|| doubled(members, n))
            .or_else(|| same_voxels(members, n))
            .or_else(|| other_grid(members, n));
        faults.extend(fault.map(|fault| (Some(n), fault)));
    }
    let has_scan = members.iter().any(|member| member.content != Some(Content::Mask));
    if !has_scan {
        let detail = "There is a mask, but no scan that it belongs to. Add the scans, or remove the mask.";
        faults.push((None, Flaw::NoScan.says(detail)));
    }
    faults
}

fn doubled(members: &[Member], n: usize) -> Option<Fault> {
    let (member, content) = (&members[n], members[n].content?);
    let first = members[..n].iter().find(|other| other.content == Some(content))?;
    let (name, first) = (member.name(), first.name());
    Some(if content == Content::Mask {
        Flaw::SeveralMasks
            .says(format!("{name}: {first} is a mask of this study already. Keep one of them, remove the other."))
    } else {
        let sequence = content.sequence().map(|sequence| Sequence::from(sequence).to_string()).unwrap_or_default();
        Flaw::SequenceTwice.says(format!(
            "{name}: {first} is {sequence} already. Say which sequence this one is, move it to another study, or remove it."
        ))
    })
}

fn same_voxels(members: &[Member], n: usize) -> Option<Fault> {
    let (member, look) = (&members[n], members[n].look.as_ref()?);
    let is_scan = |member: &Member| member.content != Some(Content::Mask);
    let same = |other: &&Member| is_scan(other) && other.look.as_ref().is_some_and(|other| other.voxels == look.voxels);
    let first = members[..n].iter().find(same).filter(|_| is_scan(member))?;
    Some(Flaw::SameScanTwice.says(format!(
        "{}: it shows the same as {}, voxel by voxel, though they are two sequences. Replace one of them.",
        member.name(),
        first.name()
    )))
}

fn other_grid(members: &[Member], n: usize) -> Option<Fault> {
    let grid = |member: &Member| member.look.as_ref().and_then(|look| look.facts.grid());
    let (first, reference) = members
        .iter()
        .find_map(|member| grid(member).filter(|_| member.content != Some(Content::Mask)).map(|grid| (member, grid)))?;
    let difference = grid_difference(&reference, &grid(&members[n])?)?;
    Some(of_grids(members[n].name(), first.name(), difference))
}

impl Group {
    /// Whether it can become a study.
    pub(crate) fn is_ready(&self) -> bool {
        self.faults.is_empty() && self.members.iter().all(|member| member.row.state == State::Stored)
    }

    /// Sequences without a file.
    pub(crate) fn missing(&self) -> Vec<Sequence> {
        let has = |sequence| self.members.iter().any(|member| member.sequence() == Some(sequence));
        Sequence::ALL.into_iter().filter(|&sequence| !has(sequence)).collect()
    }

    /// As the page sees it.
    pub(crate) fn shown(&self) -> UploadGroup {
        let problem = |(n, fault): &(Option<usize>, Fault)| UploadProblem {
            file_id: n.map(|n| self.members[n].row.id),
            code: fault.code,
            detail: fault.detail.clone(),
        };
        let problems: Vec<UploadProblem> = self.faults.iter().map(problem).collect();
        let file = |member: &Member| UploadFile {
            id: member.row.id,
            name: member.row.name.clone(),
            bytes: member.row.bytes,
            state: member.row.state,
            sequence: member.content,
            guessed: member.guessed,
            scheme: member.scheme.map(Into::into),
            shape: member.look.as_ref().map(|look| look.facts.shape),
            spacing: member.look.as_ref().map(|look| look.facts.spacing),
            orientation: member.look.as_ref().map(|look| look.facts.orientation.clone()),
            problem: problems.iter().find(|problem| problem.file_id == Some(member.row.id)).cloned(),
        };
        UploadGroup {
            key: self.key.clone(),
            title: self.title.clone(),
            files: self.members.iter().map(file).collect(),
            missing: self.missing().into_iter().map(Into::into).collect(),
            ready: self.is_ready(),
            problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::Json;
    use crate::ids::{Sha, UploadFileId, UploadId};
    use crate::studies::facts::Facts;

    /// A file that was looked at: its voxels are told apart by `n`.
    fn row(name: &str, n: u8, values: Values) -> upload_file::Model {
        let facts = Facts {
            shape: [4, 4, 4],
            spacing: [1.0; 3],
            orientation: "RAS".to_owned(),
            rows: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
            window: [0.0, 1.0],
            brain: [[0; 3], [3; 3]],
        };
        let codes = (values == Values::Labels).then(|| vec![1, 2, 4]);
        let look = Look { facts, values, codes, voxels: Sha([n; 32]), levels: [1.0, 2.0, 3.0], sketch: String::new() };
        let (sequence, scheme) = from_name(name);
        upload_file::Model {
            id: UploadFileId::fresh(),
            upload_id: UploadId::fresh(),
            name: name.to_owned(),
            bytes: 9,
            sha: Some(Sha([n; 32])),
            state: State::Stored,
            group_key: String::new(),
            sequence,
            scheme: scheme.map(|scheme| scheme.name().to_owned()),
            guessed: false,
            grid: Some(Json::of(&look)),
            problem: None,
        }
    }

    fn flaws(rows: Vec<upload_file::Model>) -> Vec<Flaw> {
        groups(rows).into_iter().flat_map(|group| group.faults).map(|(_, fault)| fault.code).collect()
    }

    #[test]
    fn two_patients_are_two_groups_and_a_mask_goes_with_its_scans() {
        let scan = |name, n| row(name, n, Values::Scan);
        let found = groups(vec![
            scan("P1_t1.nii.gz", 1),
            scan("P2_t2.nii.gz", 2),
            scan("P1_flair.nii.gz", 3),
            row("P1_seg.nii.gz", 4, Values::Labels),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].title.as_str(), found[0].members.len(), found[0].is_ready()),
            ("P1", 3, true),
            "{:?}",
            found[0].faults
        );
        assert_eq!(found[0].missing(), [Sequence::T1c, Sequence::T2w]);
        let shown = found[0].shown();
        assert!(shown.files.iter().any(|file| file.sequence == Some(Content::Mask) && file.scheme.is_some()));
    }

    #[test]
    fn what_is_wrong_is_said_of_the_file_that_has_it() {
        let scan = |name, n| row(name, n, Values::Scan);
        assert_eq!(flaws(vec![scan("a_t1.nii", 1), scan("a_t1w.nii", 2)]), [Flaw::SequenceTwice]);
        assert_eq!(flaws(vec![scan("a_t1.nii", 1), scan("a_t2.nii", 1)]), [Flaw::SameScanTwice]);
        assert_eq!(flaws(vec![scan("a_t1.nii", 1), scan("a_what.nii", 2)]), [Flaw::SequenceUnknown]);
        assert_eq!(flaws(vec![row("a_t1.nii", 1, Values::Labels)]), [Flaw::MaskGivenAsScan]);
        assert_eq!(flaws(vec![row("a_t1.nii", 1, Values::Blank)]), [Flaw::NoSignal]);
        assert_eq!(flaws(vec![scan("a_t1.nii", 1), scan("a_seg.nii", 2)]), [Flaw::ScanGivenAsMask]);
        assert_eq!(flaws(vec![row("a_seg.nii", 1, Values::Labels)]), [Flaw::NoScan]);
        let mut shifted = scan("a_t2.nii", 2);
        let mut look: Look = shifted.grid.as_ref().unwrap().read().unwrap();
        look.facts.rows[0][3] = 5.0;
        shifted.grid = Some(Json::of(&look));
        let found = groups(vec![scan("a_t1.nii", 1), shifted]);
        let (Some(1), fault) = &found[0].faults[0] else { panic!("{:?}", found[0].faults) };
        assert!(fault.code == Flaw::GridsDiffer && fault.detail.contains("5.0 mm"), "{fault:?}");
    }

    #[test]
    fn a_person_moves_a_file_to_another_group() {
        let mut moved = row("P1_t1.nii", 1, Values::Scan);
        moved.group_key = "/p2".to_owned();
        let found = groups(vec![moved, row("P2_t2.nii", 2, Values::Scan)]);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
