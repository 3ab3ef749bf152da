//! Connected components of a mask.

/// Which voxels count as neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connectivity {
    /// The 6 that share a face.
    Faces6,
    /// The 18 that share a face or an edge.
    Edges18,
    /// The 26 that share a face, an edge or a corner.
    Corners26,
}

/// The pieces of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// For each voxel 0 outside the mask, else the number of its piece: 1, 2, ... in the order of each piece's first
    /// voxel, x fastest.
    pub labels: Vec<u32>,
    /// Voxels of each piece; piece `k` is at index `k - 1`.
    pub sizes: Vec<usize>,
}

impl Components {
    /// The number of the largest piece (of equal ones the first); none of an empty mask.
    pub fn largest(&self) -> Option<u32> {
        let largest = *self.sizes.iter().max()?;
        self.sizes.iter().zip(1..).find(|&(&size, _)| size == largest).map(|(_, label)| label)
    }
}

impl Connectivity {
    /// The neighbours that come earlier in the order x, y, z: half of all.
    fn earlier(self) -> Vec<[isize; 3]> {
        let most = match self {
            Connectivity::Faces6 => 1,
            Connectivity::Edges18 => 2,
            Connectivity::Corners26 => 3,
        };
        let mut steps = Vec::with_capacity(13);
        for z in -1..=0 {
            for y in -1..=1 {
                for x in -1_isize..=1 {
                    let is_earlier = (z, y, x) < (0, 0, 0);
                    let axes = [x, y, z].iter().filter(|&&step| step != 0).count();
                    if is_earlier && axes <= most {
                        steps.push([x, y, z]);
                    }
                }
            }
        }
        steps
    }
}

/// The pieces of a mask of `[nx, ny, nz]` voxels, x fastest, by union-find in one pass; the same whatever the machine.
///
/// # Panics
/// If the mask has not as many voxels as the shape, or 2^32 or more.
pub fn components(mask: &[bool], shape: [usize; 3], connectivity: Connectivity) -> Components {
    let [nx, ny, nz] = shape;
    assert_eq!(mask.len(), nx * ny * nz, "components: a mask of {shape:?}");
    assert!(u32::try_from(mask.len()).is_ok(), "components: fewer than 2^32 voxels");
    let steps = connectivity.earlier();
    let mut labels = vec![0_u32; mask.len()];
    let mut forest = Forest { parents: vec![0] };
    for (row, inside) in mask.chunks_exact(nx.max(1)).enumerate() {
        let (y, z) = (row % ny, row / ny);
        for x in (0..nx).filter(|&x| inside[x]) {
            let mut label = 0;
            for &[dx, dy, dz] in &steps {
                let neighbour = (x.checked_add_signed(dx), y.checked_add_signed(dy), z.checked_add_signed(dz));
                let (Some(i), Some(j), Some(k)) = neighbour else { continue };
                if i >= nx || j >= ny {
                    continue;
                }
                let other = labels[i + nx * (j + ny * k)];
                if other != 0 {
                    label = if label == 0 { other } else { forest.join(label, other) };
                }
            }
            labels[row * nx + x] = if label == 0 { forest.plant() } else { label };
        }
    }
    number(labels, &mut forest)
}

/// Replace provisional labels by 1, 2, ... in the order of first voxels, and count.
fn number(mut labels: Vec<u32>, forest: &mut Forest) -> Components {
    let mut numbers = vec![0_u32; forest.parents.len()];
    let mut sizes = Vec::new();
    for label in labels.iter_mut().filter(|label| **label != 0) {
        let root = forest.root(*label) as usize;
        if numbers[root] == 0 {
            sizes.push(0);
            numbers[root] = u32::try_from(sizes.len()).unwrap_or(u32::MAX); // fewer than the voxels, see above
        }
        *label = numbers[root];
        sizes[numbers[root] as usize - 1] += 1;
    }
    Components { labels, sizes }
}

/// Disjoint sets of provisional labels. Roots are the smallest label of their set.
struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    /// A new set of one label.
    fn plant(&mut self) -> u32 {
        let label = u32::try_from(self.parents.len()).unwrap_or(u32::MAX); // no more than the voxels, see above
        self.parents.push(label);
        label
    }

    /// The root of a label, halving the way for the next time.
    fn root(&mut self, mut label: u32) -> u32 {
        while self.parents[label as usize] != label {
            let parent = self.parents[label as usize];
            self.parents[label as usize] = self.parents[parent as usize];
            label = parent;
        }
        label
    }

    /// Make two sets one; its root.
    fn join(&mut self, first: u32, second: u32) -> u32 {
        let (a, b) = (self.root(first), self.root(second));
        let (low, high) = (a.min(b), a.max(b));
        self.parents[high as usize] = low;
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &[&str], connectivity: Connectivity, expected: &[usize]) {
        let mask: Vec<bool> = pattern.iter().flat_map(|row| row.bytes().map(|byte| byte == b'#')).collect();
        let found = components(&mask, [pattern[0].len(), pattern.len(), 1], connectivity);
        assert_eq!(found.sizes, expected, "{connectivity:?} {pattern:?}");
    }

    #[test]
    fn faces_and_edges_in_a_plane() {
        check(&["#.#", ".#.", "#.#"], Connectivity::Faces6, &[1, 1, 1, 1, 1]);
        check(&["#.#", ".#.", "#.#"], Connectivity::Edges18, &[5]);
        check(&["#.#", "#.#", "###"], Connectivity::Faces6, &[7]);
        check(&["...", "..."], Connectivity::Corners26, &[]);
    }

    #[test]
    fn corners_need_26() {
        let mut mask = vec![false; 8];
        mask[0] = true;
        mask[7] = true;
        assert_eq!(components(&mask, [2; 3], Connectivity::Edges18).sizes, [1, 1], "18");
        let joined = components(&mask, [2; 3], Connectivity::Corners26);
        assert_eq!(joined.sizes, [2], "26");
        assert_eq!(joined.labels, [1, 0, 0, 0, 0, 0, 0, 1], "numbered from 1");
        assert_eq!(joined.largest(), Some(1), "the only one");
    }
}
