//! The daemon as a black box: one test binary with modules, so that linking is paid once.

mod architecture;
