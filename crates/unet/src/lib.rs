//! The network: shapes, parameters, forward and backward, losses, optimisers.
