//! What a file's name says: which sequence, and of which case.

use super::Role;
use crate::study::Sequence;

/// Words for T1 without contrast medium. This and the lists below: the aliases that public sets use.
const T1N: [&str; 5] = ["t1", "t1n", "t1w", "t1native", "t1pre"];
/// Words for T1 with contrast medium.
const T1C: [&str; 6] = ["t1c", "t1ce", "t1gd", "t1post", "t1wce", "t1contrast"];
/// Words for T2.
const T2W: [&str; 2] = ["t2", "t2w"];
/// Words for FLAIR.
const T2F: [&str; 5] = ["t2f", "flair", "fl", "t2flair", "t2fl"];
/// Words that make a T1 before them a contrast-enhanced one.
const CONTRAST: [&str; 8] = ["gd", "ce", "c", "post", "postcontrast", "contrast", "gad", "gado"];
/// Words for a mask. Not `labels`: that is the name of Glioscope's own output, which is no reference.
const SEG: [&str; 5] = ["seg", "segm", "segmentation", "mask", "label"];
/// Words that say that a mask is not one of the tumour.
const OTHER_MASK: [&str; 6] = ["brain", "brainmask", "parenchyma", "ventricle", "ventricles", "skull"];
/// Words about processing that may differ between the sequences of one case.
const PASSING: [&str; 26] = [
    "brain",
    "bet",
    "reg",
    "registered",
    "coreg",
    "coregistered",
    "pre",
    "native",
    "sri24",
    "mni",
    "mni152",
    "bias",
    "n4",
    "stripped",
    "ss",
    "norm",
    "iso",
    "1mm",
    "axial",
    "ax",
    "sag",
    "cor",
    "mri",
    "mr",
    "tumor",
    "tumour",
];

/// What a file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// What the file is.
    pub role: Role,
    /// What is left of the name without the words of the role: the case, or nothing.
    pub case: String,
    /// The case without words about processing, in small letters: files with the same key are of one case.
    pub key: String,
}

/// What a file's name says; nothing if it is no name of a NIfTI file, or names no sequence, or several.
pub fn named(file_name: &str) -> Option<Named> {
    nifti_stem(file_name).and_then(parse)
}

/// The name without `.nii` or `.nii.gz`; nothing for other and for hidden files.
pub fn nifti_stem(file_name: &str) -> Option<&str> {
    let lower = file_name.to_ascii_lowercase();
    let ending = [".nii.gz", ".nii"].into_iter().find(|ending| lower.ends_with(ending))?;
    let stem = &file_name[..file_name.len() - ending.len()];
    (!stem.starts_with('.') && !stem.is_empty()).then_some(stem)
}

/// What the stem of a NIfTI file's name says; nothing if it names no sequence, or several.
pub(super) fn parse(stem: &str) -> Option<Named> {
    let words: Vec<&str> = stem.split(is_separator).collect();
    let small: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let is_in = |list: &[&str], i: usize| list.contains(&small[i].as_str());
    let of = |list: &[&str]| (0..small.len()).filter(|&i| is_in(list, i)).collect::<Vec<_>>();
    let (t1n, t1c, t2w, t2f, seg) = (of(&T1N), of(&T1C), of(&T2W), of(&T2F), of(&SEG));
    // "post" counts after the T1 only: a case may be called post_op.
    let mut contrast: Vec<usize> =
        t1n.first().map_or(vec![], |&t1| (t1 + 1..small.len()).filter(|&i| is_in(&CONTRAST, i)).collect());
    contrast.extend(contrast_entity(stem, &words).map_or(vec![], |i| vec![i, i + 1]));
    let role = match (t1n.is_empty(), t1c.is_empty(), t2w.is_empty(), t2f.is_empty()) {
        _ if !seg.is_empty() && !of(&OTHER_MASK).is_empty() => return None,
        _ if !seg.is_empty() => Role::Seg,
        (false, true, true, true) if contrast.is_empty() => Role::Scan(Sequence::T1n),
        (_, false, true, true) | (false, true, true, true) => Role::Scan(Sequence::T1c),
        (true, true, false, true) => Role::Scan(Sequence::T2w),
        (true, true, _, false) => Role::Scan(Sequence::T2f),
        _ => return None,
    };
    let is_role = |i: usize| [&t1n, &t1c, &t2w, &t2f, &seg, &contrast].iter().any(|list| list.contains(&i));
    let case = without(stem, &words, is_role);
    let key = without(stem, &words, |i| is_role(i) || is_in(&PASSING, i)).to_ascii_lowercase();
    Some(Named { role, case, key })
}

/// The word `ce` of the BIDS entity `ce-gadolinium`, which stands before the T1 that it is about.
fn contrast_entity(stem: &str, words: &[&str]) -> Option<usize> {
    let mut start = 0;
    for (i, word) in words.iter().enumerate() {
        let (before, after) = (stem[..start].chars().next_back(), stem[start + word.len()..].chars().next());
        if *word == "ce" && matches!(before, None | Some('_')) && after == Some('-') {
            return Some(i);
        }
        start += word.len() + 1;
    }
    None
}

/// The sequence that a data set's channel name means, such as `FLAIR`, `T1w`, `t1gd` or `T2w`.
pub(super) fn sequence(channel: &str) -> Option<Sequence> {
    match parse(channel)?.role {
        Role::Scan(sequence) => Some(sequence),
        Role::Seg => None,
    }
}

fn is_separator(c: char) -> bool {
    matches!(c, '_' | '-' | '.' | ' ' | '+')
}

/// The stem without some of its words and without the separators before them.
fn without(stem: &str, words: &[&str], left_out: impl Fn(usize) -> bool) -> String {
    let mut kept = String::new();
    let mut start = 0;
    for (i, word) in words.iter().enumerate() {
        if !left_out(i) {
            if !kept.is_empty() {
                kept.push_str(&stem[start - 1..start]);
            }
            kept.push_str(word);
        }
        start += word.len() + 1;
    }
    kept.trim_matches(is_separator).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, expected: Option<(Role, &str)>) {
        let named = nifti_stem(file).and_then(parse);
        let found = named.as_ref().map(|named| (named.role, named.case.as_str()));
        assert_eq!(found, expected, "{file}");
    }

    #[test]
    fn the_names_of_the_challenges() {
        check("BraTS2021_00002_flair.nii.gz", Some((Role::Scan(Sequence::T2f), "BraTS2021_00002")));
        check("BraTS20_Training_001_t1ce.nii", Some((Role::Scan(Sequence::T1c), "BraTS20_Training_001")));
        check("Brats18_2013_21_1_t1.nii.gz", Some((Role::Scan(Sequence::T1n), "Brats18_2013_21_1")));
        check("Brats18_2013_21_1_t2.nii.gz", Some((Role::Scan(Sequence::T2w), "Brats18_2013_21_1")));
        check("BraTS-SSA-00047-000-t1n.nii.gz", Some((Role::Scan(Sequence::T1n), "BraTS-SSA-00047-000")));
        check("BraTS-SSA-00047-000-t2f.nii.gz", Some((Role::Scan(Sequence::T2f), "BraTS-SSA-00047-000")));
        check("BraTS-SSA-00047-000-seg.nii.gz", Some((Role::Seg, "BraTS-SSA-00047-000")));
        check("W39_1998.09.19_Segm.nii", Some((Role::Seg, "W39_1998.09.19")));
    }

    #[test]
    fn the_names_of_others() {
        check("FLAIR.nii.gz", Some((Role::Scan(Sequence::T2f), "")));
        check("T1.nii", Some((Role::Scan(Sequence::T1n), "")));
        check("t1_gd.nii.gz", Some((Role::Scan(Sequence::T1c), "")));
        check("T1-post.nii.gz", Some((Role::Scan(Sequence::T1c), "")));
        check("T1_axial_post.nii.gz", Some((Role::Scan(Sequence::T1c), "axial")));
        check("patient7.t1native.nii.gz", Some((Role::Scan(Sequence::T1n), "patient7")));
        check("post_op_12_t1.nii.gz", Some((Role::Scan(Sequence::T1n), "post_op_12")));
        check("sub-01_ses-2_T2w.nii.gz", Some((Role::Scan(Sequence::T2w), "sub-01_ses-2")));
        check("sub-01_ses-2_ce-gadolinium_T1w.nii.gz", Some((Role::Scan(Sequence::T1c), "sub-01_ses-2")));
        check("sub-01_ce-gd_T2w.nii.gz", Some((Role::Scan(Sequence::T2w), "sub-01")));
        check("T2_FLAIR_007.nii.gz", Some((Role::Scan(Sequence::T2f), "007")));
        check("UPENN-GBM-00001_11_T1GD.nii.gz", Some((Role::Scan(Sequence::T1c), "UPENN-GBM-00001_11")));
        check("UCSF-PDGM-0004_tumor_segmentation.nii.gz", Some((Role::Seg, "UCSF-PDGM-0004_tumor")));
    }

    #[test]
    fn names_that_say_nothing_certain() {
        check("UCSF-PDGM-0004_brain_segmentation.nii.gz", None);
        check("T1_FLAIR.nii.gz", None);
        check("image.nii.gz", None);
        check("labels.nii.gz", None);
        check("._BraTS2021_00002_flair.nii.gz", None);
        check("t1.dcm", None);
    }

    #[test]
    fn words_about_processing_do_not_part_a_case() {
        let key = |stem| parse(stem).map(|named| named.key);
        assert_eq!(key("sub-01_T1w_brain"), key("SUB-01_FLAIR_reg"));
        assert_ne!(key("smith_t1"), key("jones_t2"));
    }
}
