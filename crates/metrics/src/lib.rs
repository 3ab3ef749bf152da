//! Mask against mask: overlap and surface distances in mm.
