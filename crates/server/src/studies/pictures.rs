//! Volumes and small pictures in memory, so that scrolling and lists do not read files again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use segment::picture::{Plane, Shown, Window, slice};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use volume::{Limits, Orientation, Volume, nifti};

use crate::app::App;
use crate::error::Problem;
use crate::ids::Sha;

/// Files that are read at once: each takes memory for all of its voxels, and twice that while it is turned.
const AT_ONCE: usize = 2;
/// Pieces of work at once that hold volumes after they were read: a slice one with its mask, an overview all of a study.
/// They are counted apart from files, so that who looks at a study does not wait for who sends fifty.
const DRAWN_AT_ONCE: usize = 2;
/// Bytes of volumes that are kept: four scans of 9 M voxels and their masks.
const VOLUME_BYTES: usize = 256 << 20;
/// Bytes of small pictures that are kept: thousands of them.
const PICTURE_BYTES: usize = 16 << 20;
/// Middles of tumours that are kept.
const MIDDLES: usize = 1024;
/// The side of a small picture in pixels.
const SMALL: usize = 96;

/// A volume in RAS order.
#[derive(Clone, Debug)]
enum Kept {
    Scan(Arc<Volume<f32>>),
    Labels(Arc<Volume<u8>>),
}

/// A small picture is named by its scan and its mask.
type Drawn = (Sha, Option<Sha>);

/// The right to hold volumes in memory until it is dropped.
#[derive(Debug)]
pub struct Holding(#[expect(dead_code, reason = "it is counted until it is dropped")] OwnedSemaphorePermit);

/// What was read and drawn lately.
#[derive(Debug)]
pub struct Pictures {
    permits: Arc<Semaphore>,
    drawings: Arc<Semaphore>,
    middles: Mutex<Shelf<Sha, Option<[usize; 3]>>>,
    volumes: Mutex<Shelf<Sha, Kept>>,
    drawn: Mutex<Shelf<Drawn, Arc<[u8]>>>,
}

impl Pictures {
    /// Nothing was read yet.
    pub fn open() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            drawings: Arc::new(Semaphore::new(DRAWN_AT_ONCE)),
            middles: Mutex::new(Shelf::new(MIDDLES)),
            volumes: Mutex::new(Shelf::new(VOLUME_BYTES)),
            drawn: Mutex::new(Shelf::new(PICTURE_BYTES)),
        }
    }

    /// The right to read one more file into memory.
    ///
    /// # Errors
    /// If the server is ending.
    pub async fn permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(Problem::internal)
    }

    /// The right to hold volumes; it goes with them to where they are used.
    ///
    /// # Errors
    /// If the server is ending.
    pub async fn holding(&self) -> Result<Holding, Problem> {
        Arc::clone(&self.drawings).acquire_owned().await.map(Holding).map_err(Problem::internal)
    }

    /// A scan in RAS order, to be held no longer than the right to it.
    ///
    /// # Errors
    /// If the blob is missing or damaged.
    pub async fn scan(&self, app: &App, sha: Sha, _: &Holding) -> Result<Arc<Volume<f32>>, Problem> {
        if let Some(Kept::Scan(scan)) = lock(&self.volumes).take(&sha) {
            return Ok(scan);
        }
        let permit = self.permit().await?;
        let scan = Arc::new(read(app, sha, permit).await?.0);
        lock(&self.volumes).put(sha, Kept::Scan(Arc::clone(&scan)), 4 * scan.voxels().len());
        Ok(scan)
    }

    /// The tissue codes of a mask in RAS order, to be held no longer than the right to it.
    ///
    /// # Errors
    /// If the blob is missing or damaged.
    pub async fn labels(&self, app: &App, sha: Sha, _: &Holding) -> Result<Arc<Volume<u8>>, Problem> {
        if let Some(Kept::Labels(labels)) = lock(&self.volumes).take(&sha) {
            return Ok(labels);
        }
        let permit = self.permit().await?;
        let (stored, _permit) = read(app, sha, permit).await?;
        let labels = Arc::new(codes(&stored));
        lock(&self.volumes).put(sha, Kept::Labels(Arc::clone(&labels)), labels.voxels().len());
        Ok(labels)
    }

    /// Where a tumour is, as [`tumour_middle`] says; asked with every look at a study, so it is kept.
    ///
    /// # Errors
    /// If the blob is missing or damaged.
    pub async fn middle_of(&self, app: &App, labels: Sha) -> Result<Option<[usize; 3]>, Problem> {
        if let Some(middle) = lock(&self.middles).take(&labels) {
            return Ok(middle);
        }
        let holding = self.holding().await?;
        let codes = self.labels(app, labels, &holding).await?;
        let middle = tokio::task::spawn_blocking(move || (tumour_middle(&codes), holding).0).await?;
        lock(&self.middles).put(labels, middle, 1);
        Ok(middle)
    }

    /// A small axial picture of a scan with its mask, where the tumour is largest, else in the brain's middle.
    ///
    /// # Errors
    /// If a blob is missing or damaged.
    pub async fn small(&self, app: &App, scan: Sha, labels: Option<Sha>) -> Result<Arc<[u8]>, Problem> {
        if let Some(png) = lock(&self.drawn).take(&(scan, labels)) {
            return Ok(png);
        }
        // Not kept among the volumes: a list of fifty would push out the study on screen.
        let (volume, mut permit) = read(app, scan, self.permit().await?).await?;
        let mask = match labels {
            Some(sha) => {
                let mask;
                (mask, permit) = read(app, sha, permit).await?;
                Some(mask)
            }
            None => None,
        };
        let draw = move || {
            let _permit = permit;
            let mask = mask.map(|mask| codes(&mask));
            let at = middle(&volume, mask.as_ref());
            slice((&volume, Window::of(&volume)), mask.as_ref(), (Plane::Axial, at[2]), Shown::Brain(SMALL))
        };
        let png: Arc<[u8]> = tokio::task::spawn_blocking(draw).await?.map_err(Problem::internal)?.into();
        lock(&self.drawn).put((scan, labels), Arc::clone(&png), png.len());
        Ok(png)
    }
}

/// Reads a volume into RAS order, and gives the permit back for what comes after. Whoever gives up takes neither along.
async fn read(
    app: &App,
    sha: Sha,
    permit: OwnedSemaphorePermit,
) -> Result<(Volume<f32>, OwnedSemaphorePermit), Problem> {
    let bytes = app.files.read(&app.db, sha).await?;
    let read = move || {
        let stored = nifti::parse(&bytes, &Limits::default()).and_then(nifti::Image::into_single)?;
        Ok::<_, nifti::NiftiError>((Orientation::of(stored.grid().affine()).to_ras(&stored), permit))
    };
    tokio::task::spawn_blocking(read).await?.map_err(Problem::internal)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "written as bytes 0 to 3")]
fn codes(stored: &Volume<f32>) -> Volume<u8> {
    stored.map(|code| code.clamp(0.0, 255.0) as u8)
}

/// Where to begin to look at a volume in RAS order: the middle of the tumour's largest axial slice, else the brain's.
pub(crate) fn middle(scan: &Volume<f32>, labels: Option<&Volume<u8>>) -> [usize; 3] {
    labels.and_then(tumour_middle).unwrap_or_else(|| {
        let shape = scan.grid().shape();
        let brain = volume::Bounds::of(scan, |value| value != 0.0).unwrap_or(volume::Bounds::whole(shape));
        std::array::from_fn(|axis| usize::midpoint(brain.start[axis], brain.end[axis] - 1))
    })
}

/// The middle of the largest axial cross-section of a mask in RAS order; nothing without a tumour.
pub(crate) fn tumour_middle(labels: &Volume<u8>) -> Option<[usize; 3]> {
    let [nx, ny, nz] = labels.grid().shape();
    let slab = |z: usize| &labels.voxels()[nx * ny * z..nx * ny * (z + 1)];
    let area = |z: usize| slab(z).iter().filter(|&&code| code != 0).count();
    let (mut best, mut largest) = (0, 0);
    for z in 0..nz {
        let area = area(z);
        if area > largest {
            (best, largest) = (z, area);
        }
    }
    if largest == 0 {
        return None;
    }
    let (mut x, mut y) = (0, 0);
    for (n, _) in slab(best).iter().enumerate().filter(|&(_, &code)| code != 0) {
        (x, y) = (x + n % nx, y + n / nx);
    }
    Some([x / largest, y / largest, best])
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Things that were used lately, as many as fit.
#[derive(Debug)]
struct Shelf<K, V> {
    things: VecDeque<(K, V, usize)>,
    room: usize,
}

impl<K: PartialEq, V: Clone> Shelf<K, V> {
    fn new(room: usize) -> Self {
        Self { things: VecDeque::new(), room }
    }

    /// The thing, which is then the youngest.
    fn take(&mut self, key: &K) -> Option<V> {
        let at = self.things.iter().position(|(known, ..)| known == key)?;
        let thing = self.things.remove(at)?;
        let value = thing.1.clone();
        self.things.push_back(thing);
        Some(value)
    }

    fn put(&mut self, key: K, value: V, size: usize) {
        if size > self.room {
            return;
        }
        self.things.retain(|(known, ..)| *known != key);
        self.things.push_back((key, value, size));
        while self.things.iter().map(|(.., size)| size).sum::<usize>() > self.room {
            self.things.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use volume::{Affine, Grid};

    #[test]
    fn what_was_not_used_goes_first() {
        let mut shelf = Shelf::new(10);
        shelf.put(1, 'a', 4);
        shelf.put(2, 'b', 4);
        assert_eq!(shelf.take(&1), Some('a'));
        shelf.put(3, 'c', 4);
        assert_eq!((shelf.take(&1), shelf.take(&2), shelf.take(&3)), (Some('a'), None, Some('c')));
        shelf.put(4, 'd', 11);
        assert_eq!(shelf.take(&4), None, "too large for any shelf");
    }

    #[test]
    fn looking_begins_in_the_largest_slice() {
        let grid = Grid::new([6, 5, 4], Affine::axis_aligned([1.0; 3], [0.0; 3]).unwrap(), &Limits::default()).unwrap();
        let mut labels = Volume::filled(grid, 0_u8);
        assert_eq!(tumour_middle(&labels), None);
        for (x, y, z) in [(1, 1, 1), (3, 2, 2), (5, 2, 2), (4, 2, 2)] {
            labels.voxels_mut()[x + 6 * (y + 5 * z)] = 2;
        }
        assert_eq!(tumour_middle(&labels), Some([4, 2, 2]));
    }
}
