//! The curves of a run as JSON, a piece at a time: memory holds a few lines, however long the run was.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use axum::body::Bytes;
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt as _};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};

/// Bytes that are looked through at once for the place to begin at.
const BLOCK: u64 = 1 << 16;
/// Bytes of an answer that are sent together.
const PIECE: usize = 1 << 16;

/// A line, of which only the step matters here; the rest must be JSON.
#[derive(Deserialize)]
struct Stepped {
    step: u64,
}

/// The step of a line; nothing for one that is not whole.
pub(super) fn step(line: &str) -> Option<u64> {
    serde_json::from_str(line).ok().map(|Stepped { step }| step)
}

/// Goes to a line before which all are old: steps rise, so blocks are read from the end until one begins with an old line.
pub(super) fn seek(file: &mut File, after: Option<u64>) -> io::Result<()> {
    let mut start = if after.is_some() { file.metadata()?.len() } else { 0 };
    while start > 0 {
        start = start.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::by_ref(file).take(BLOCK).read_to_end(&mut block)?;
        let mut lines = block.split_inclusive(|&byte| byte == b'\n');
        let cut = if start == 0 { 0 } else { lines.next().map_or(0, <[u8]>::len) };
        let first = lines.next().and_then(|line| step(std::str::from_utf8(line).ok()?));
        if first.zip(after).is_some_and(|(first, after)| first <= after) {
            return file.seek(SeekFrom::Start(start + cut as u64)).map(drop);
        }
    }
    file.rewind()
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Begin,
    Middle,
    End,
}

/// The lines of a file from where it is, those after a step, as one JSON array. A line that is being written is left for
/// the next time. Whoever compresses it asks once more after its end.
pub(super) fn array(file: File, after: Option<u64>) -> impl Stream<Item = io::Result<Bytes>> {
    let lines = BufReader::with_capacity(PIECE, tokio::fs::File::from_std(file)).lines();
    let pieces = unfold((lines, Place::Begin), move |(mut lines, mut place)| async move {
        if place == Place::End {
            return None;
        }
        let piece = piece(&mut lines, &mut place, after).await;
        Some((piece, (lines, place)))
    });
    pieces.fuse()
}

async fn piece(
    lines: &mut Lines<BufReader<tokio::fs::File>>,
    place: &mut Place,
    after: Option<u64>,
) -> io::Result<Bytes> {
    let mut piece = String::new();
    while piece.len() < PIECE {
        let Some(line) = lines.next_line().await? else {
            piece.push_str(if *place == Place::Begin { "[]" } else { "]" });
            *place = Place::End;
            break;
        };
        if step(&line).is_some_and(|step| after.is_none_or(|after| step > after)) {
            piece.push(if *place == Place::Begin { '[' } else { ',' });
            piece.push_str(&line);
            *place = Place::Middle;
        }
    }
    Ok(piece.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::TryStreamExt as _;
    use serde_json::Value;

    async fn steps(path: &std::path::Path, after: Option<u64>) -> Vec<u64> {
        let mut file = File::open(path).unwrap();
        seek(&mut file, after).unwrap();
        let pieces: Vec<Bytes> = array(file, after).try_collect().await.unwrap();
        let found: Vec<Value> = serde_json::from_slice(&pieces.concat()).unwrap();
        found.iter().map(|line| line["step"].as_u64().unwrap()).collect()
    }

    #[tokio::test]
    async fn the_end_may_be_asked_for_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        std::fs::write(&path, "{\"step\":0}\n").unwrap();
        let mut pieces = Box::pin(array(File::open(&path).unwrap(), None));
        assert_eq!(pieces.next().await.unwrap().unwrap(), "[{\"step\":0}]");
        assert!(pieces.next().await.is_none() && pieces.next().await.is_none());
    }

    #[tokio::test]
    async fn what_is_new_is_read_from_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let padding = "x".repeat(100);
        let line = |n: u64| format!("{{\"step\":{},\"note\":\"{padding}\"}}\n", 10 * n);
        let mut text = (0..5000).map(line).collect::<Vec<_>>().concat();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(steps(&path, None).await.len(), 5000);
        for after in [0, 5, 10, 24_995, 49_970, 49_980, 49_989] {
            let expected: Vec<u64> = (0..5000).map(|n| 10 * n).filter(|&step| step > after).collect();
            assert_eq!(steps(&path, Some(after)).await, expected, "after {after}");
        }
        assert!(steps(&path, Some(49_990)).await.is_empty());
        let mut file = File::open(&path).unwrap();
        seek(&mut file, Some(49_980)).unwrap();
        assert!(file.stream_position().unwrap() > text.len() as u64 - BLOCK - 200, "the old part was not read");
        text.push_str("{\"step\":50000,\"no");
        std::fs::write(&path, text).unwrap();
        assert_eq!(steps(&path, Some(49_980)).await, [49_990], "a line that is being written waits");
        std::fs::write(&path, "").unwrap();
        assert!(steps(&path, None).await.is_empty() && steps(&path, Some(3)).await.is_empty());
    }
}
