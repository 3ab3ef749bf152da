//! Holds no code: its tests read the tree.
