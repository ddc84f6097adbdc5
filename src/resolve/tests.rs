//! The core on values.
