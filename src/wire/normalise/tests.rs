//! Tests of R24.
